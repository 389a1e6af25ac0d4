"""The call of another package that makes a match again, or the words that there is none."""

from __future__ import annotations

from collections.abc import Sequence

from impact.matching.distance import SCORES

MATCHIT = {"propensity": "", "linear_propensity": 'distance = "glm", link = "linear.logit"',
           "mahalanobis": 'distance = "mahalanobis"', "robust_mahalanobis": 'distance = "robust_mahalanobis"',
           # MatchIt's own scaled_euclidean divides by the standard deviation within the arms, not over all rows
           "standardised_euclidean": "distance = as.matrix(dist(scale(x)))"}
GIVEN = "given "  # before a distance whose score, p, was handed over
MATCHIT |= {f"{GIVEN}propensity": "distance = p", f"{GIVEN}linear_propensity": "distance = qlogis(p)"}
MATCHED_ON = {"propensity": "fitted(glm(Tr ~ x, family = binomial))",
              "linear_propensity": "predict(glm(Tr ~ x, family = binomial))", "standardised_euclidean": "x",
              f"{GIVEN}propensity": "p", f"{GIVEN}linear_propensity": "qlogis(p)"}

TEFFECTS = {"att": "atet", "ate": "ate"}  # whose effect, as Stata writes it


def none(why: str) -> str:
    """Say that no call makes the number again, and why."""
    return f"no equivalent call: {why}"


def matchit(method: str, estimand: str, distance: str, *, caliper: float | None = None, caliper_unit: str = "sd",
            exact: Sequence[str] = (), extra: str = "") -> str:
    """Call of R MatchIt that makes the match; ``extra`` are further arguments, as R writes them.

    MatchIt's caliper is on the score or on single covariates, never on a distance between several.
    """
    if caliper is not None and distance.removeprefix(GIVEN) not in SCORES:
        return none("MatchIt has no caliper on this distance")
    parts = [f'MatchIt::matchit(d ~ x, method = "{method}", estimand = "{estimand.upper()}"', MATCHIT[distance]]
    if caliper is not None:
        parts.append(f"caliper = {caliper:g}" + ("" if caliper_unit == "sd" else ", std.caliper = FALSE"))
    if exact:
        parts.append(f"exact = ~ {' + '.join(exact)}")
    return ", ".join(part for part in (*parts, extra) if part) + ")"


def weighted(weightit: str, teffects: str, option: str, *, cluster: str | None, weights: str | None) -> tuple[str, str]:
    """Calls of R WeightIt and of Stata that make a weighted comparison with its error; '' where a program has none.

    ``weightit`` are the arguments after the formula, ``teffects`` the command before its comma and ``option`` what follows.
    """
    if cluster is not None:
        return none("other programs add up clusters and leave none of them out"), ""
    sampling = (", s.weights = w", " [pweight = w]") if weights is not None else ("", "")
    return (weightit and f"WeightIt::lm_weightit(y ~ d, weightit = weightit(d ~ x, {weightit}{sampling[0]}))",
            teffects and f"teffects {teffects}{sampling[1]}, {option}")


def matching(estimand: str, distance: str, *, neighbours: int, variance_matches: int, tolerance: float, adjusted: bool,
             caliper: float | None, caliper_unit: str, exact: Sequence[str]) -> str:
    """Call of R Matching that makes estimate and error of a match with replacement."""
    if distance not in MATCHED_ON:
        return none("Matching has the covariance of both arms together (Weight = 2), not that within arms" if
                    distance == "mahalanobis" else "Matching has no distance of ranks")
    if exact:
        return none("Matching counts the exact columns in the distance of the variance's neighbours")
    if caliper is not None and distance.removeprefix(GIVEN) not in SCORES:
        return none("Matching's caliper is on each covariate, not on the distance")
    parts = [f"Matching::Match(Y, Tr, X = {MATCHED_ON[distance]}"]
    if adjusted:
        parts.append("Z = x, BiasAdjust = TRUE")
    parts.append(f'estimand = "{estimand.upper()}", M = {neighbours}')
    if caliper is not None:
        parts.append(f"caliper = {caliper:g}" + ("" if caliper_unit == "sd" else f" / sd({MATCHED_ON[distance]})"))
    parts.append(f"ties = TRUE, Var.calc = {variance_matches}, distance.tolerance = {tolerance or 1e-14:g})")
    return ", ".join(parts)
