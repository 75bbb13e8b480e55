"""What can be chosen at the top of a page."""

from dashboards.model import Variable

NAMESPACE = Variable(name="namespace", label="namespace", metric="runestone_build_info")
SERVICE = Variable(name="service", label="service", metric="runestone_build_info")
TENANT = Variable(name="tenant", label="tenant", metric="runestone_tenant_calls_total")
PROVIDER = Variable(name="provider", label="provider", metric="runestone_upstream_calls_total")
MODEL = Variable(name="model", label="model", metric="runestone_target_calls_total")
