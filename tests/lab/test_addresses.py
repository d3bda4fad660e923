"""What runs side by side never shares an address."""

from lab.addresses import GivenAddresses


def test_phones_of_two_laboratories_at_chosen_addresses_have_addresses_of_their_own() -> None:
    first, second = (
        GivenAddresses(asterisk=f"127.0.0.{host}", carrier="127.0.0.2") for host in (1, 3)
    )
    given = [each.next() for each in (first, second, first, second)]
    first.release()
    second.release()
    assert len(set(given)) == len(given)
