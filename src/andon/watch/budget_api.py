"""The budget of false alarms over all watches, over the API."""

from typing import Any

from django.http import HttpRequest
from ninja import Field, Router, Schema

from andon.kit.shapes import Given
from andon.people.api_auth import caller
from andon.watch import actions, queries

router = Router(tags=["watches"])

READ, WRITE = "watches:read", "watches:write"


class BudgetOut(Schema):
    """What is promised about false alarms."""

    days: float = Field(description="At least so many days pass between two, over all watches, on average.")
    watches: int = Field(description="How many watches share that.")
    promised: float | None = Field(description="What their budgets come to, which is no less; null without watches.")


class BudgetIn(Given):
    """Another promise."""

    days: float = Field(gt=0, description="At most one false alarm in so many days, on average over all watches.")


@router.get("", response=BudgetOut)
def get_alarm_budget(request: HttpRequest) -> Any:
    """Read the budget of false alarms that all watches share."""
    return queries.alarm_budget(caller(request, READ))


@router.put("", response=BudgetOut)
def set_alarm_budget(request: HttpRequest, given: BudgetIn) -> Any:
    """Set the budget of false alarms. Thresholds follow at once, and the evidence of every watch stays. Leads."""
    by = caller(request, WRITE)
    actions.set_alarm_budget(given.days, by=by)
    return queries.alarm_budget(by)
