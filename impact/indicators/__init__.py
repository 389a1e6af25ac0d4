"""Small-firm outcomes: closed, lost and moved firms, recall periods, prices and cut-offs, each rule declared and logged.

What became of a firm, and what that makes of its outcome:

=============== ======================= ======================= ============ =========================================
status          flow or total           rate                    in business  why
=============== ======================= ======================= ============ =========================================
operating       as reported             as reported             yes          no answer stays missing and is counted
closed_verified zero                    undefined: left out     no           exit is an outcome, not attrition
                                                                             (McKenzie & Paffhausen 2019)
closed_season   as reported             as reported             yes          the month is one of the year: zero only
                                                                             where zero was reported
moved           as reported if          as reported if          if followed  a firm is its owner's, not its place's
                followed, or not_found  followed, or not_found
merged          left out                left out                yes          its amounts are those of two firms; no
                                                                             death of a firm (Eurostat–OECD 2007)
not_found       missing: attrition      missing: attrition      not known    bounds say what it could hide
=============== ======================= ======================= ============ =========================================

A flow (sales, profit) is brought to one month; a total (workers, stock) is counted at the interview; a rate (wage,
productivity, practices, hours) exists in firms at work only. Steps follow in this order: status, recall, prices, cut-offs.
None of them sees the arm.
"""

from impact.indicators.construction import Built, construct
from impact.indicators.money import Derived, ProgrammeTotal, money_outcomes, programme_total
from impact.indicators.pack import Constructed, cleaning_caveats, construct_outcomes
from impact.indicators.prices import Deflator, read_deflator
from impact.indicators.status import states_of, survival
from impact.indicators.units import UnitDependentEffects, unit_dependent_effects

__all__ = ["Built", "Constructed", "Deflator", "Derived", "ProgrammeTotal", "UnitDependentEffects", "cleaning_caveats",
           "construct", "construct_outcomes", "money_outcomes", "programme_total", "read_deflator", "states_of", "survival",
           "unit_dependent_effects"]
