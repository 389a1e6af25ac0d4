"""Words that cannot outrun the numbers: the rung a study stands on, and every sentence of a brief held against it."""

from impact.brief.claims.check import examine, examine_sentence
from impact.brief.claims.ladder import rung_of
from impact.brief.claims.types import Claim, Context, Reference, Rung, Split, Standing, marked

__all__ = ["Claim", "Context", "Reference", "Rung", "Split", "Standing", "examine", "examine_sentence", "marked", "rung_of"]
