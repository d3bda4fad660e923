"""The `tollgate` command: one module for each group of commands."""

import typer

from admin import demo, dialplan, doctor, ledger, money, prompts, rates, rating, serve

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Prepaid calling for an office phone system on Asterisk.",
)
app.add_typer(demo.app)
app.add_typer(serve.app)
app.add_typer(doctor.app)
app.add_typer(rating.app)
app.add_typer(money.app)
app.add_typer(ledger.app, name="ledger")
app.add_typer(rates.app, name="rates")
app.add_typer(dialplan.app, name="dialplan")
app.add_typer(prompts.app, name="prompts")


def main() -> None:
    app()


if __name__ == "__main__":
    main()
