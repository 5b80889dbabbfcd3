"""The figures and tables of the papers, made again from runs."""

from experiments.report.claims.ab_test import AB_TEST
from experiments.report.claims.data_sets import COVERAGE, TABLE_1
from experiments.report.claims.hard_negatives import FIGURE_1, FIGURE_2_TOP, FIGURE_3, FRONTIER, POPULARITY
from experiments.report.claims.hardest_of_k import FIGURE_2_BOTTOM
from experiments.report.claims.kinds_of_feedback import FEEDBACK_TYPES, FIGURE_4
from experiments.report.claims.learned_worlds import LEARNED_WORLDS
from experiments.report.claims.looking_ahead import LOOKING_AHEAD
from experiments.report.claims.parts import TABLE_2, TWO_STAGES
from experiments.report.claims.representations import TABLES, WITHOUT
from experiments.report.claims.weeks import WEEKS

CLAIMS = (
    *(TABLE_1, COVERAGE, FIGURE_1, FIGURE_2_TOP, FIGURE_2_BOTTOM, FIGURE_3, FRONTIER, FIGURE_4, TABLE_2),
    *(POPULARITY, TWO_STAGES, FEEDBACK_TYPES),
    *(*TABLES, AB_TEST, WITHOUT),
    *(WEEKS, *LOOKING_AHEAD, LEARNED_WORLDS),
)
"""In the order of a report."""
