"""AMI's `ShowDialPlan`, which lists everything that Asterisk has loaded, as a `Dialplan`."""

from collections.abc import Iterable, Mapping

from dialplan.walk.lookup import Context, Dialplan, Extension, Include, Step


def dialplan_of(events: Iterable[Mapping[str, str]]) -> Dialplan:
    """From the `ListDialplan` events, which come in Asterisk's own order of extensions."""
    steps: dict[str, dict[str, list[Step]]] = {}
    includes: dict[str, list[Include]] = {}
    switches: dict[str, list[str]] = {}
    for event in events:
        context = event.get("Context")
        if context is None:
            continue
        of_context = steps.setdefault(context, {})
        if "IncludeContext" in event:
            includes.setdefault(context, []).append(include_of(event["IncludeContext"]))
        elif "Switch" in event:
            switches.setdefault(context, []).append(event["Switch"])
        elif "Extension" in event and event.get("Priority", "").isdigit():  # else a hint
            of_context.setdefault(event["Extension"], []).append(_step(event))
    return Dialplan(
        {
            name: Context(
                name=name,
                extensions=tuple(
                    Extension(name=extension, steps=tuple(listed))
                    for extension, listed in of_context.items()
                ),
                includes=tuple(includes.get(name, ())),
                switches=tuple(switches.get(name, ())),
            )
            for name, of_context in steps.items()
        }
    )


def include_of(text: str) -> Include:
    """`office`, or `office,09:00-17:00,mon-fri,*,*`."""
    context, timed, _ = text.replace("|", ",").partition(",")
    return Include(context=context, timed=bool(timed))


def _step(event: Mapping[str, str]) -> Step:
    return Step(
        number=int(event["Priority"]),
        application=event.get("Application", ""),
        data=event.get("AppData", ""),
        label=event.get("ExtensionLabel", ""),
    )
