"""The API, put together from the slices."""

from andon import __version__
from andon.api import problems
from andon.api.house import HouseAPI
from andon.containment import api as containment
from andon.containment.evidence import api as evidence
from andon.handbook import api as handbook
from andon.intake import api as intake
from andon.oncall import api as oncall
from andon.paging import api as paging
from andon.paging.providers import api as providers
from andon.people import api as people
from andon.people.api_auth import BrowserSession, PersonalToken
from andon.registry import api as registry
from andon.response import api as response
from andon.reviews import api as reviews
from andon.rules import api as rules
from andon.runbooks import api as runbooks
from andon.switch import api as switch
from andon.watch import api as watch
from andon.watch import budget_api as budget
from andon.watch import points_api as points

api = HouseAPI(
    title="Andon",
    version=__version__,
    description=(
        "Everything the screens can do. Errors are application/problem+json. Lists come in pages: pass "
        "`next_cursor` back as `cursor`. Times are UTC, ISO 8601. Make personal tokens on the account page."
    ),
    urls_namespace="api",
    docs_url=None,
    auth=[PersonalToken(), BrowserSession()],
)
problems.attach(api)

for prefix, router in (
    ("/me", people.me),
    ("/me/quiet-hours", paging.quiet_hours),
    ("/people", people.router),
    ("/teams", people.teams),
    ("/invitations", people.invitations),
    ("/schedules", oncall.schedules),
    ("/chains", oncall.chains),
    ("/oncall", registry.oncall),
    ("/oncall", oncall.feeds),
    ("/systems", registry.systems),
    ("/systems", points.systems),
    ("/systems", switch.systems),
    ("/watches", points.watches),
    ("/watches/budget", budget.router),
    ("/components", registry.components),
    ("/signals", intake.signals),
    ("/integrations", intake.integrations),
    ("/rules", rules.router),
    ("/handbook", handbook.router),
    ("/watches", watch.watches),
    ("/alarms", watch.alarms),
    ("/logs", watch.logs),
    ("/contact-points", paging.contact_points),
    ("/channels", providers.channels),
    ("/paces", paging.paces),
    ("/incidents", paging.incidents),
    ("/incidents", response.router),
    ("/incidents", evidence.router),
    ("/levers", containment.levers),
    ("/pulls", containment.pulls),
    ("/incidents", runbooks.incidents),
    ("/runbooks", runbooks.runbooks),
    ("/runs", runbooks.runs),
    ("/proposals", runbooks.proposals),
    ("/reviews", reviews.reviews),
    ("/actions", reviews.actions),
):
    api.add_router(prefix, router)
