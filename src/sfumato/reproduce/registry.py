"""The registered experiments, by the name used on the command line; imported when asked for."""

import importlib
from typing import Any

from sfumato.validation import check_choice

EXPERIMENTS = {
    "audit-adds": "sfumato.reproduce.audit_adds",
    "blinded-figure3": "sfumato.reproduce.blinded_figure3",
    "blinded-figure4": "sfumato.reproduce.blinded_figure4",
    "blinded-figure5": "sfumato.reproduce.blinded_figure5",
    "blinded-table1": "sfumato.reproduce.blinded_table1",
    "blinded-table2": "sfumato.reproduce.blinded_table2",
    "coral-figure-s2": "sfumato.reproduce.coral_figure_s2",
    "coral-table1": "sfumato.reproduce.coral_table1",
    "erasers-leaderboard": "sfumato.reproduce.erasers_leaderboard",
    "erasers-leaderboard-crossed": "sfumato.reproduce.erasers_leaderboard_crossed",
    "erasers-pareto": "sfumato.reproduce.erasers_pareto",
    "erasers-unseen": "sfumato.reproduce.erasers_unseen",
    "ensemble-san": "sfumato.reproduce.ensemble_san",
    "flowsan": "sfumato.reproduce.flowsan",
    "gender-resnet101": "sfumato.reproduce.gender_resnet101",
    "lntl": "sfumato.reproduce.lntl",
    "perturbers-bundled": "sfumato.reproduce.perturbers_bundled",
    "perturbers-leaderboard": "sfumato.reproduce.perturbers_leaderboard",
    "perturbers-retrained": "sfumato.reproduce.perturbers_retrained",
    "privacynet-figure5": "sfumato.reproduce.privacynet_figure5",
    "privacynet-figure6": "sfumato.reproduce.privacynet_figure6",
    "privacynet-figure7": "sfumato.reproduce.privacynet_figure7",
    "privacynet-figure8": "sfumato.reproduce.privacynet_figure8",
    "privacynet-figure9": "sfumato.reproduce.privacynet_figure9",
    "san-gender": "sfumato.reproduce.san_gender",
    "sensitivenets-figure3": "sfumato.reproduce.sensitivenets_figure3",
    "sensitivenets-figure4": "sfumato.reproduce.sensitivenets_figure4",
    "sensitivenets-table1": "sfumato.reproduce.sensitivenets_table1",
    "sensitivenets-table2": "sfumato.reproduce.sensitivenets_table2",
    "sensitivenets-table3": "sfumato.reproduce.sensitivenets_table3",
    "sensitivenets-widths": "sfumato.reproduce.sensitivenets_widths",
    "sensitivenets-widths-joined": "sfumato.reproduce.sensitivenets_widths_joined",
}


def load_experiment(name: str) -> Any:
    """Return the :class:`~sfumato.reproduce.experiment.Experiment` called ``name``.

    Raises
    ------
    InputError
        For an unknown name, listing the known ones.
    """
    check_choice(name, tuple(EXPERIMENTS), "experiment")
    return importlib.import_module(EXPERIMENTS[name]).EXPERIMENT
