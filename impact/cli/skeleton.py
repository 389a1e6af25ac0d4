"""The study file that `impact new` writes: every key of the contract, with its words, by kind of design."""

from __future__ import annotations

# One line of the study file per line. The four characters before it say for which kinds it is written: r, d, m.
# '@word' as a whole value or candidate list is looked up; nothing else is ever replaced.
SKELETON = """\
rdm # What you promise to find out, and how. Fill in every null: the words beside it say with what.
rdm # A line such as '# donor: null' is optional: take the '#' away to state it. What is left out is printed as
rdm # 'not stated' and is a gap in the audit; write null for 'there is none'.
rdm # Candidates are guesses from the names and values of your columns. Nothing is chosen for you.
rdm
rdm schema: 1                       # version of this form; leave it as it is
rdm title: null                     # title of the study
rdm question: null                  # the question the study answers, in one sentence
rdm status: draft                   # draft prints DRAFT on every page; write final when it is
rdm programme:
rdm   name: null                    # name of the programme
rdm   country: null                 # country where it works
rdm   # sector: null                # branch of the firms, e.g. food processing
rdm   # donor: null                 # who pays
rdm   # project_number: null        # number in your files, in quotes
rdm   # period: [2024, 2025]        # first and last year, or date, of the programme
rdm # intervention:
rdm #   description: null           # what was done
rdm #   target_group: null          # for whom
rdm #   dose: null                  # how much of it: days, dollars, visits
rdm #   reached: {total: null, women: null, men: null}   # how many were reached; not the number analysed
rdm # results_chain:                # how the programme is meant to work, step by step
rdm #   boxes:                      # level: activity, output, outcome or impact
rdm #     - {id: training, level: activity, text: Firms are trained}
rdm #     - {id: profit, level: impact, text: Firms earn more, indicator: profit}
rdm #   arrows:
rdm #     - {from: training, to: profit, assumption: null, evidence: null}
rdm data:
rdm   file: @file                   # data file inside this folder: .csv, .xlsx (first sheet), .dta, .sav or .parquet
rdm   # @personal
rdm   # source: null                # who asked whom, and when
rdm   # simulated: false            # true if a program made these data, false if people were asked
rdm design:
rdm   kind: @kind                   # rct, did or matching
r     estimand: null                # itt: effect of the offer, taken up or not; ate: average effect on all units
 d    estimand: att                 # effect on the treated
  m   estimand: null                # att: effect on participants; atc: on the others; ate: on all
r m   unit: null                    # column that identifies a unit; row_number if rows are units without an id
 d    unit: null                    # column that identifies a unit, the same in every period
rdm   # candidates: @units
rdm   # unit_label: [firm, firms]   # what one unit and several units are called
 d    time: null                    # column of the period
 d    # candidates: @times
 d    first_treated: null           # column, empty if never; or {first_period_of: grant, later_zeros: stay_treated}
 d    # candidates: @first_treated
r     treatment: null               # column: 1 where the programme was offered, 0 elsewhere
  m   treatment: null               # column: 1 for participants, 0 for the others
r m   # candidates: @treatments
rdm   assigned_by: null             # column of the level at which treatment was decided: unit, market, village …
rdm   # candidates: @levels
 d    # comparison: never_treated   # compare with units never_treated, or also with not_yet_treated
  m   covariates: null              # columns to match on, all measured before the programme: [age, size]
  m   # candidates: @covariates
  m   # treated_on: 2021-03-01      # when the programme began: a date, a year, or the column of each unit's date
  m   # measured_on: {sales_2020: 2020-12-31}   # when covariates were measured; later than that is refused
r     # firm: null                  # where rows are workers: column of their firm
r     # weighting: null             # where rows are workers: worker (each counts once) or firm (each firm counts once)
rd    # covariates: []              # columns measured before the programme that the analysis adjusts for
r     # assignment:                 # how the draw was made
r     #   rule: null                # simple, blocked, clustered or pairs
r     #   strata: null              # column of the blocks or pairs
r     #   cluster: null             # column of the clusters that were drawn
r     #   probability: 0.5          # chance of being offered the programme
r     #   record: null              # certificate of the draw, or where it is noted
r     # candidates: @clusters
rdm   # sampling: {stratum: null, psu: null, weight: null}   # columns, if units were sampled
rdm outcomes:                       # one entry per outcome, at least one of them primary
rdm   - name: null                  # short name that you choose, in small letters: profit
rdm     column: null                # its column in the data
rdm     # candidates: @outcomes
rdm     label: null                 # as readers will see it: Monthly profit
rdm     unit: null                  # what one unit is: USD per month (2024 prices)
rdm     role: null                  # primary or secondary, as planned before the results
rdm     better: null                # which direction is good: higher or lower
rdm     # transform: log            # only to analyse it in logs
rdm     # baseline: null            # column of the same outcome before the programme
rdm     # measured: null            # when it was measured: 12 months after the offer
rdm     # target: {value: 120, by: 2026-12-31, source: logframe}   # the level participants were to reach
rdm     # equivalence: [-5, 5]      # differences that count as none, fixed before the results; else 'no effect' is refused
rdm     # candidates: @baselines
rdm     # construction:             # how it is made from what firms reported, before any effect is looked at
rdm     #   kind: flow              # flow (sales, profit), total (staff on a day) or rate (a wage: none if closed)
rdm     #   recall: {months: 3, days: null, column: null}   # how long a period firms were asked about: one of these
rdm     #   deflate: false          # bring to the prices of one year; needs prices below
rdm     #   winsorise: {upper: 0.99, lower: null}   # cap extremes at these shares; null takes every value as it is
rdm     #   money: true             # show survival, any at all, raw, capped and the ratio
rdm     #   baseline: {recall: {months: 3}, date: null}
rdm # firm_status:                  # what became of each firm, from a visit: a verified closure counts as zero
rdm #   column: null
rdm #   codes: {operating: [1], closed_verified: [2], closed_season: [3], moved: [4], merged: [5], not_found: [9]}
rdm # prices: {file: prices.csv, place: district, date: interview_date, month: month, index: cpi, year: 2024}
rdm # subgroups:                    # contrasts planned before the results
rdm #   - {name: sex, column: female, label: Sex of the owner, groups: [{value: 0, label: Men}, {value: 1, label: Women}]}
rdm # plan:                         # if a plan was frozen before the results; effects in the outcome's unit, without a sign
rdm #   {frozen: 2024-05-03, record: where it is kept, minimum_detectable_effect: {profit: 15}}
rdm analysis:
rdm   primary:
rdm     method: null                # the method of the plan
rdm     # candidates: @methods
rdm     # options: {}               # its keywords
rdm   # robustness: []              # other methods to hold it against: [{method: ...}]
rdm   # families:                   # outcomes that make one promise together; by default by role
rdm   #   - {name: income, outcomes: [profit, sales], adjust: holm, index: null, label: null}
  m   # sensitivity:                # what hidden causes are judged by
  m   #   negative_controls: [sales_2018]   # columns the programme cannot have changed, not matched on
  m   #   benchmarks: [sales_2020]  # covariates as a yardstick: a hidden cause as strong as these
rdm   # conf_level: 0.95            # level of the confidence intervals
rdm   seed: null                    # any whole number, e.g. a date: 20240501; it makes random draws repeatable
rdm # costs:                        # per: offered or taker
rdm #   {currency: USD, price_year: 2024, per: offered, participants: 100,
rdm #    lines: [{item: Trainers, amount: 1000, year: 2024}],
rdm #    contributions: [{from: Ministry, kind: public, amount: 300}],   # private, public or in_kind; beside the lines
rdm #    index: [{year: 2023, value: 95}, {year: 2024, value: 100}],     # price levels, where lines are of several years
rdm #    exchange: {currency: EUR, rate: 0.9, date: 2024-12-31},         # what one unit of currency was worth
rdm #    returns: [{outcome: profit, counts: income, worth: 1, period: month, horizon: 24, fading: 0.02, discount: 0.05},
rdm #              {outcome: jobs, counts: unit}],                       # outcomes the cost is set against
rdm #    take_up: 0.6, standard_error: null, left_out: [Time of owners]}   # share of those offered who took part
rdm # ethics:
rdm #   consent: null               # how people agreed to be asked
rdm #   approval: null              # who approved the study
rdm #   registration: null          # where it was registered before it began
rdm # benchmark:                  # a known answer to compare with
rdm #   {value: 0, unit: null, label: null, source: null, trial: {file: trial.csv, outcome: profit, treatment: offered}}
rdm brief:
rdm   date: null                    # date of the brief, e.g. 2026-11-21
rdm   language: en                  # en, fr or es
rdm   # title: null                 # if other than above
rdm   # challenge: null             # the problem, in two sentences
rdm   # what_was_done: null         # the programme, in two sentences; {n.reached}, {costs.total}: numbers of the record
rdm   # bottom_line: null           # in place of the tool's: with {profit.interval} of every primary outcome
rdm   # how_we_know: {design: null, who: null, estimand: null, estimator: null, assumption: null, data: null}   # the same
rdm   # captions:                 # a sentence under a block, before the tool's own note
rdm   #   {chain: null, effects: null, table: null, benchmark: null, event_study: null, trends: null, subgroups: null,
rdm   #    methods: null, costs: null, targets: null, checks: null}
rdm   # limits: []                  # what else the study cannot say; added to the tool's
rdm   # learned: null               # what an uncertain result taught, in one sentence
rdm   # implications: []            # what follows: [{text: ..., finding: profit}]
rdm   # authors: []
rdm   # contact: null
rdm   # disclaimer: null            # what the donor asks to have said
rdm   # overrides: []               # a refused sentence that stands: [{sentence: …, rule: …, name: …, reason: …, date: …}]
rdm   # logo: {file: logo.png, alt: null}   # PNG or JPEG beside this file, at most 100 KB; alt says whose it is
"""
