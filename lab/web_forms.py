"""Forms of a page, read as a browser reads them: what it would send."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser

from lab.errors import LabError

Attributes = Mapping[str, str | None]


@dataclass(slots=True)
class WebForm:
    fields: dict[str, str] = field(default_factory=dict)  # as the page filled them in
    choices: dict[str, list[str]] = field(default_factory=dict)  # of each list


def form_in(page: str, action: str) -> WebForm:
    """The form of a page that is sent to `action`.

    Raises:
        LabError: the page has none.
    """
    reader = _Reader(action)
    reader.feed(page)
    if reader.found is None:
        raise LabError(f"the page has no form for {action}")
    return reader.found


class _Reader(HTMLParser):
    def __init__(self, action: str) -> None:
        super().__init__()
        self._action = action
        self._inside = False
        self._select = ""
        self.found: WebForm | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        about = dict(attrs)
        if tag == "form":
            self._inside = about.get("action") == self._action
            if self._inside:
                self.found = WebForm()
        elif self._inside and self.found is not None:
            self._read(self.found, tag, about)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False

    def _read(self, form: WebForm, tag: str, about: Attributes) -> None:
        name, value = about.get("name") or "", about.get("value") or ""
        match tag:
            case "input" | "textarea" if name:
                form.fields[name] = value
            case "select":
                self._select = name
                form.choices[name] = []
            case "option":
                form.choices[self._select].append(value)
                if "selected" in about or len(form.choices[self._select]) == 1:
                    form.fields[self._select] = value
            case _:
                pass
