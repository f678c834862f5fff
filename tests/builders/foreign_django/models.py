"""The users of django-scim2, which wants to have a part in the model."""

from django.contrib.auth.models import AbstractUser
from django_scim.models import AbstractSCIMUserMixin


class Person(AbstractSCIMUserMixin, AbstractUser):  # type: ignore[misc] # neither library has types
    """Somebody, found by a name that may have any length and letters."""

    class Meta:
        app_label = "foreign_django"

    @property
    def scim_groups(self) -> object:
        """The library asks for groups."""
        return self.groups.none()
