"""Examples of steps for the page on the language of templates, each of which a test renders.

Belongs here: the YAML of one step, what it shows, and what it comes to. Does not belong here: the page (`language`).
"""

from typing import Final, NamedTuple

__all__ = ["STEP_EXAMPLES", "VALUES", "StepExample"]


class StepExample(NamedTuple):
    """One step of a template."""

    what: str
    text: str
    """YAML, an element of `spec.tenant.steps`."""
    objects: dict[str, tuple[str, ...]]
    """By sample: the objects that the customer gets, as kind and name."""


VALUES: Final = {"queues": ["calls", "chats"]}
"""Of the app, with which the examples are rendered."""
_EVERYBODY: Final = ("paid", "trial", "suspended", "unknown", "nasty")

STEP_EXAMPLES: Final = (
    StepExample(
        "An object that goes at the uninstall, while all others are kept for `retention.keepFor`",
        """\
name: credentials
onOffboard: Delete
manifests:
- apiVersion: v1
  kind: Secret
  metadata: {name: talkdesk, namespace: "${tenant.name}"}
  data: {client_id: "${base64.encode(bytes(credentials.clientId))}"}
""",
        dict.fromkeys(_EVERYBODY, ("Secret talkdesk",)),
    ),
    StepExample(
        "A service of yours that is called instead; what it answers is in later steps `outputs.account.NAME`",
        """\
name: account
onOffboard: Delete
http:
  url: https://control.example.com/v1/tenants
  secretRef: {name: control, key: key}
  body: {customer: "${account.id}", plan: "${subscription.name != null ? subscription.name : 'none'}"}
""",
        dict.fromkeys(_EVERYBODY, ()),
    ),
    StepExample(
        "Objects that only some customers get; they are deleted when the customer is none of these any more",
        """\
name: reports
includeWhen: subscription.type == 'paid'
onRemove: Delete
manifests:
- apiVersion: v1
  kind: ConfigMap
  metadata: {name: reports, namespace: "${tenant.name}"}
  data: {licenses: "${subscription.licenses != null ? string(subscription.licenses) : ''}"}
""",
        dict.fromkeys(_EVERYBODY, ()) | {"paid": ("ConfigMap reports",), "nasty": ("ConfigMap reports",)},
    ),
    StepExample(
        "An object for each element of a list, named by the element; with the values "
        "`queues: [calls, chats]` these are two",
        """\
name: queues
forEach: tenant.values.queues
manifests:
- apiVersion: v1
  kind: ConfigMap
  metadata: {name: "${dnsLabel('queue-' + item)}", namespace: "${tenant.name}"}
  data: {queue: "${item}"}
""",
        dict.fromkeys(_EVERYBODY, ("ConfigMap queue-calls", "ConfigMap queue-chats")),
    ),
    StepExample(
        "Steps after this one wait until the pods run, and ten minutes later the tenant says for what",
        """\
name: web
timeLimit: 10m
manifests:
- apiVersion: apps/v1
  kind: Deployment
  metadata: {name: web, namespace: "${tenant.name}"}
  spec:
    replicas: "${tenant.suspended ? 0 : 2}"
    selector: {matchLabels: {app: web}}
    template:
      metadata: {labels: {app: web}}
      spec: {containers: [{name: web, image: "registry.example.com/web:1"}]}
""",
        dict.fromkeys(_EVERYBODY, ("Deployment web",)),
    ),
    StepExample(
        "An object of a kind with a controller of its own, ready when that says so",
        """\
name: database
readyWhen: object.status.phase == 'Running'
manifests:
- apiVersion: databases.example.com/v1
  kind: Database
  metadata: {name: main, namespace: "${tenant.name}"}
  spec: {size: "${subscription.licenses != null && subscription.licenses > 100 ? 'large' : 'small'}"}
""",
        dict.fromkeys(_EVERYBODY, ("Database main",)),
    ),
    StepExample(
        "A Job that is made anew when the template changes what can't be changed in one that exists",
        """\
name: migration
manifests:
- apiVersion: batch/v1
  kind: Job
  metadata:
    name: migration
    namespace: "${tenant.name}"
    annotations: {appconnect.talkdesk.dev/recreate: "true"}
  spec:
    template:
      spec:
        restartPolicy: Never
        containers: [{name: migrate, image: "registry.example.com/migrate:1"}]
""",
        dict.fromkeys(_EVERYBODY, ("Job migration",)),
    ),
    StepExample(
        "One object of a step that is kept when it leaves the template, though its kind would be deleted",
        """\
name: address
manifests:
- apiVersion: v1
  kind: Service
  metadata:
    name: web
    namespace: "${tenant.name}"
    annotations: {appconnect.talkdesk.dev/on-remove: Retain}
  spec:
    selector: {app: web}
    ports: [{port: 80}]
""",
        dict.fromkeys(_EVERYBODY, ("Service web",)),
    ),
    StepExample(
        "An object that somebody made by hand before the customer had the app is taken over",
        """\
name: takeover
conflictPolicy: Adopt
manifests:
- apiVersion: v1
  kind: ConfigMap
  metadata: {name: settings, namespace: "${tenant.name}"}
  data: {plan: "${subscription.name != null ? subscription.name : ''}"}
""",
        dict.fromkeys(_EVERYBODY, ("ConfigMap settings",)),
    ),
)
"""In the order of the page."""
