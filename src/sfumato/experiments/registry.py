"""The registered experiments, by the name used on the command line; imported when asked for."""

import importlib

from sfumato.validation import check_choice

EXPERIMENTS = {
    "blinded-figure3": "sfumato.experiments.blinded_figure3",
    "blinded-figure4": "sfumato.experiments.blinded_figure4",
    "blinded-figure5": "sfumato.experiments.blinded_figure5",
    "blinded-table1": "sfumato.experiments.blinded_table1",
    "blinded-table2": "sfumato.experiments.blinded_table2",
    "coral-figure-s2": "sfumato.experiments.coral_figure_s2",
    "coral-table1": "sfumato.experiments.coral_table1",
    "erasers-leaderboard": "sfumato.experiments.erasers_leaderboard",
    "erasers-leaderboard-crossed": "sfumato.experiments.erasers_leaderboard_crossed",
    "erasers-pareto": "sfumato.experiments.erasers_pareto",
    "ensemble-san": "sfumato.experiments.ensemble_san",
    "flowsan": "sfumato.experiments.flowsan",
    "gender-resnet101": "sfumato.experiments.gender_resnet101",
    "perturbers-leaderboard": "sfumato.experiments.perturbers_leaderboard",
    "perturbers-retrained": "sfumato.experiments.perturbers_retrained",
    "privacynet-figure5": "sfumato.experiments.privacynet_figure5",
    "privacynet-figure6": "sfumato.experiments.privacynet_figure6",
    "privacynet-figure7": "sfumato.experiments.privacynet_figure7",
    "privacynet-figure8": "sfumato.experiments.privacynet_figure8",
    "privacynet-figure9": "sfumato.experiments.privacynet_figure9",
    "san-gender": "sfumato.experiments.san_gender",
    "sensitivenets-figure3": "sfumato.experiments.sensitivenets_figure3",
    "sensitivenets-figure4": "sfumato.experiments.sensitivenets_figure4",
    "sensitivenets-table1": "sfumato.experiments.sensitivenets_table1",
    "sensitivenets-table2": "sfumato.experiments.sensitivenets_table2",
    "sensitivenets-table3": "sfumato.experiments.sensitivenets_table3",
}


def load_experiment(name):
    """Return the :class:`~sfumato.experiments.experiment.Experiment` called ``name``.

    Raises
    ------
    InputError
        For an unknown name, listing the known ones.
    """
    check_choice(name, tuple(EXPERIMENTS), "experiment")
    return importlib.import_module(EXPERIMENTS[name]).EXPERIMENT
