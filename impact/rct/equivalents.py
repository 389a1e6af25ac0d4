"""The lines of R and Stata that remake a regression of a trial, with the packages that can make its error."""

from __future__ import annotations

from dataclasses import dataclass

CLUB = {"CR1": "naive-t", "CR3": "Satterthwaite"}  # estimatr has neither of the two
_STATA = {"classical": "", "HC1": "vce(robust)", "HC2": "vce(hc2)", "HC3": "vce(hc3)", "CR1S": "vce(cluster {level})",
          "CR2": "vce(hc2 {level}, dfadjust)"}
INSTRUMENTED = ("classical", "HC1", "CR1S")  # the errors that ivregress has


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A regression as its lines need to know it.

    Attributes
    ----------
    kind : the covariance. clustered, weighted : whether groups were drawn, and whether rows have weights.
    form : "" (least squares), "instrumented" (``d`` by ``z``) or "interacted" (covariates and strata centred).
    covariates, strata : their names in R; "" where there are none.
    r, stata : the columns that are the question. data : a table's name, or "".
    """

    kind: str
    clustered: bool
    weighted: bool
    form: str = ""
    covariates: str = "x"
    strata: str = "s"
    r: str = "d"
    stata: str = "d"
    data: str = ""

    @property
    def options(self) -> list[str]:
        """Table and weights, as all calls of R take them."""
        return [*([f"data = {self.data}"] if self.data else []), *(["weights = w"] if self.weighted else [])]


def r_line(model: Model) -> str:
    """Write the line of R: estimatr where it has the error, otherwise clubSandwich.

    Every form was run beside this package's own numbers (estimatr 1.0.0, clubSandwich 0.5.8, AER 1.2-10).
    """
    if model.kind in CLUB:
        return _club_sandwich(model)
    apart = bool(model.strata) and not _in_formula(model)
    level = "g" if model.clustered else "id" if model.kind.startswith("CR") else ""
    function = {"instrumented": "iv_robust", "interacted": "lm_lin"}.get(model.form, "lm_robust")
    options = [*model.options, *([f"clusters = {level}"] if level else []),
               *([f"fixed_effects = ~{model.strata}"] if apart else []),
               f"se_type = '{'stata' if model.kind == 'CR1S' else model.kind}'"]
    return f"estimatr::{function}({', '.join([_formula(model), *options])})"


def _in_formula(model: Model) -> bool:
    """Whether strata are columns of the formula: estimatr takes no fixed effects beside a weighted CR2."""
    return model.form == "interacted" or model.kind in CLUB or (model.kind == "CR2" and model.weighted)


def _controls(model: Model) -> list[str]:
    strata = [f"factor({model.strata})"] if model.strata and _in_formula(model) else []
    return [*([model.covariates] if model.covariates else []), *strata]


def _formula(model: Model) -> str:
    controls = _controls(model)
    if model.form == "interacted":
        return f"y ~ {model.r}, ~ {' + '.join(controls)}"
    right = " + ".join([model.r, *controls])
    return f"y ~ {right} | {' + '.join(['z', *controls])}" if model.form == "instrumented" else f"y ~ {right}"


def _club_sandwich(model: Model) -> str:
    before, formula = "", _formula(model)
    if model.form == "interacted":
        before = f"m <- model.matrix(~ {' + '.join(_controls(model))})[, -1, drop = FALSE]; "
        formula = f"y ~ {model.r} * sweep(m, 2, {'colSums(w * m) / sum(w)' if model.weighted else 'colMeans(m)'})"
    function = "AER::ivreg" if model.form == "instrumented" else "lm"
    return (f"{before}fit <- {function}({', '.join([formula, *model.options])}); clubSandwich::coef_test(fit, "
            f"clubSandwich::vcovCR(fit, cluster = {'g' if model.clustered else 'id'}, type = '{model.kind}'), "
            f"test = '{CLUB[model.kind]}')")


def stata_line(model: Model) -> str:
    """Write the line of Stata; empty where Stata does not have the error."""
    instrumented = model.form == "instrumented"
    if model.kind not in _STATA or model.form == "interacted" or not model.stata:
        return ""
    if instrumented and model.kind not in INSTRUMENTED:
        return ""
    columns = " ".join([*([] if instrumented else [model.stata]), *(["x"] if model.covariates else []),
                        *(["i.s"] if model.strata else []), *([f"({model.stata} = z)"] if instrumented else [])])
    # sampling weights (pw) always make the error a robust one
    weights = f" [{'aw' if model.kind == 'classical' else 'pw'}=w]" if model.weighted else ""
    error = _STATA[model.kind].format(level="g" if model.clustered else "id")
    if model.kind == "CR2" and not model.clustered:
        error = "vce(hc2, dfadjust)"
    # without `small` ivregress takes z for t and leaves the small-sample factor out
    options = " ".join([*([error] if error else []), *(["small"] if instrumented else [])])
    return f"{'ivregress 2sls' if instrumented else 'regress'} y {columns}{weights}{f', {options}' if options else ''}"


def poisson_lines(model: Model) -> tuple[str, str]:
    """Write the lines of R and Stata of a Poisson regression; ``kind`` is not read: its error is a sandwich."""
    controls = [*([model.covariates] if model.covariates else []), *([f"factor({model.strata})"] if model.strata else [])]
    options = [*(["weights = ~w"] if model.weighted else []), "vcov = ~g" if model.clustered else "vcov = 'hetero'"]
    stata = " ".join([model.stata, *(["x"] if model.covariates else []), *(["i.s"] if model.strata else [])])
    return (f"fixest::fepois({', '.join([' + '.join([f'y ~ {model.r}', *controls]), *options])})",
            f"poisson y {stata}{' [pw=w]' if model.weighted else ''}, vce({'cluster g' if model.clustered else 'robust'}) "
            f"// its factor is {'G/(G − 1)' if model.clustered else 'n/(n − 1)'}")
