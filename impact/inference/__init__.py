"""Inference on arrays, shared by all families: least squares, its covariances, differences, adjusted p-values."""

from impact.inference.contrasts import Contrast, difference
from impact.inference.intervals import Inference, infer
from impact.inference.linear import Fit, least_squares
from impact.inference.multiple import benjamini_hochberg, holm
from impact.inference.sandwich import CLUSTERED, VCOVS, Covariance, covariance, satterthwaite_df

__all__ = ["CLUSTERED", "VCOVS", "Contrast", "Covariance", "Fit", "Inference", "benjamini_hochberg", "covariance",
           "difference", "holm", "infer", "least_squares", "satterthwaite_df"]
