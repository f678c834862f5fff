"""Put right what labels of slots are missing or wrong: of objects that people made, or that an older operator did.

Where several operators share the accounts, an object without its label is shown to the first shard, and one with the
label of another slot to that slot's. Whoever sees it labels it, and leaves it to the shard of its account.
"""

from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.domain.ports.cache import Cache
from talkdesk_operator.domain.ports.cluster import Cluster
from talkdesk_runtime.kube_errors import KubeError

__all__ = ["put_labels_right"]


async def put_labels_right(cache: Cache, cluster: Cluster, key: AccountKey) -> list[KubeError]:
    """Label the objects of an account that need it; return the errors, none of which keeps anything else undone."""
    errors: list[KubeError] = []
    for mislabeled in cache.mislabeled(key):
        try:
            await cluster.label(mislabeled, key)
        except KubeError as error:
            errors.append(error)
    return errors
