"""What a form would send is read from its page."""

import pytest

from lab.errors import LabError
from lab.web_forms import form_in

PAGE = """
<form action="/other"><input name="key" value="theirs"></form>
<form method="post" action="/top-ups">
  <input type="hidden" name="key" value="ours">
  <input name="nothing">
  <select name="amount"><option value="10.00">Ten</option>
  <option value="20.00" selected>Twenty</option></select>
  <button>Buy</button>
</form>
<input name="outside" value="1">
"""


def test_a_form_is_read_as_a_browser_would_send_it() -> None:
    form = form_in(PAGE, "/top-ups")
    assert form.fields == {"key": "ours", "nothing": "", "amount": "20.00"}
    assert form.choices == {"amount": ["10.00", "20.00"]}


def test_of_a_list_without_a_choice_the_first_is_sent() -> None:
    page = PAGE.replace(" selected", "")
    assert form_in(page, "/top-ups").fields["amount"] == "10.00"


def test_a_page_without_the_form_is_told() -> None:
    with pytest.raises(LabError, match="no form for /refill"):
        form_in(PAGE, "/refill")
