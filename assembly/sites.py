"""How each office dials: the country of its plan, and the prefixes of the site."""

from collections.abc import Collection

from charging.numbering import Site
from charging.plan import Plan
from charging.ports import Plans
from settings import SharedSections
from settings.model import SiteSettings


class OfficeSites:
    """charging.ports.Sites: by the plans in force, so a change of a plan file counts at once."""

    def __init__(self, settings: SharedSections, plans: Plans) -> None:
        self._site = settings.site
        self._offices = tuple(settings.offices)
        self._plans = plans

    def site_of(self, office_id: str) -> Site:
        return site_for(self._plans.plan_of(office_id), self._site)

    def sites(self) -> Collection[Site]:
        """What `[site] country` names replaces no plan's country here: nobody's number is lost."""
        plans = [self._plans.plan_of(office_id) for office_id in self._offices]
        countries = (self._site.country, *(plan.country for plan in plans))
        return tuple(
            site_at(country, self._site) for country in dict.fromkeys(filter(None, countries))
        )


def site_for(plan: Plan, settings: SiteSettings) -> Site:
    """Where the phones of this plan stand."""
    return site_at(settings.country or plan.country, settings)


def site_at(country: str, settings: SiteSettings) -> Site:
    return Site(
        country=country,
        outside_line_prefix=settings.outside_line_prefix,
        international_prefix=settings.international_prefix,
    )
