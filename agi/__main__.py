"""`python -m agi SETTINGS`: answer feature codes until told to stop."""

import sys

import structlog

from agi.balance import tell_balance
from agi.language import switch_language
from agi.last_call import tell_last_call
from agi.metrics import feature_counts
from agi.price import tell_price
from agi.secret import secret_of
from agi.server import Server
from assembly.charging import open_charging
from assembly.health import LEDGER, answering, ledger_question
from assembly.metrics import count_log, readable, registry_of
from assembly.process import main
from settings import AgiSections, SettingsError

log = structlog.get_logger()

# By the names of the settings' [agi.codes], which the dialplan also uses.
SERVICES = {
    "balance": tell_balance,
    "price": tell_price,
    "last_call": tell_last_call,
    "language": switch_language,
}


async def serve(settings: AgiSections) -> None:
    """Run until cancelled. A caller who is listening then hears the rest of one clip."""
    address, port = settings.agi.address, settings.agi.port
    registry = registry_of("agi")
    count_log(registry, settings, feature_counts(registry))
    async with open_charging(settings) as assembled:
        try:
            speaker = Server(SERVICES, assembled.enquiries, secret=secret_of(settings))
            server = await speaker.listen(address, port)
        except OSError as error:
            raise SettingsError(
                f"agi: port {port} of {address} cannot be listened at: {error.strerror}"
            ) from error
        questions = {LEDGER: ledger_question(assembled.engine)}
        async with (
            server,
            answering("agi", settings, questions),
            readable("agi", settings, registry, questions),
        ):
            log.info("ready", address=address, port=port)
            await server.serve_forever()


if __name__ == "__main__":
    sys.exit(main(serve, AgiSections))
