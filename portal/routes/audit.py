"""The audit trail: who changed what."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from db.audit_trail import changes
from portal.access import Reader
from portal.change_words import said
from portal.languages import marked
from portal.parts import Needs

router = APIRouter()

ROWS = 50

# By the stable name of an action. One that is not here is shown by that name.
ACTIONS = {
    "user.invite": marked("Invited a user"),
    "user.accept": marked("Accepted an invitation"),
    "user.role": marked("Changed a role"),
    "user.end": marked("Ended access"),
    "user.link": marked("Sent a link"),
    "user.disable": marked("Disabled a user"),
    "user.enable": marked("Let a user in again"),
    "topup.begin": marked("Bought an amount"),
    "payment.cancel": marked("Cancelled a payment"),
    "payment.confirm": marked("Answered the bank"),
    "payment.close": marked("Closed a payment of which nothing was known"),
    "refill.set": marked("Set the refill"),
    "refill.off": marked("Switched the refill off"),
    "refill.now": marked("Asked for a refill at once"),
    "refill.try_again": marked("Let the refill try again"),
    "card.form": marked("Asked to enter a card"),
    "card.replace": marked("Replaced the card"),
    "card.remove": marked("Removed the card"),
    "billing.set": marked("Changed the billing address"),
    "support.code": marked("Made a code for customer care"),
    "notice.address_add": marked("Added an address for notices"),
    "notice.address_remove": marked("Removed an address for notices"),
    "notice.level": marked("Changed the level of the low-balance mail"),
    "extension.set": marked("Changed an extension"),
    "office.set": marked("Changed the office"),
    "call.hang_up": marked("Asked to hang up a call"),
    "payment.adopt": marked("Credited a payment that the restored ledger lacked"),
    "balance.grant": marked("Added to the account"),
    "balance.deduct": marked("Took from the account"),
    "token.add": marked("Made a token for programs"),
    "token.revoke": marked("Revoked a token for programs"),
    "password.set": marked("Set a password"),
}


@router.get("/audit-trail")
async def audit_trail(
    request: Request,
    visit: Reader,
    parts: Needs,
    before: Annotated[int | None, Query(ge=1)] = None,
) -> Response:
    found = await parts.store.read(
        lambda reader: changes(reader, visit.office_id, limit=ROWS + 1, before=before)
    )
    older = found[ROWS - 1].number if len(found) > ROWS else None
    return parts.pages.page(
        request, "audit_trail.html", rows=found[:ROWS], older=older, actions=ACTIONS, said=said
    )
