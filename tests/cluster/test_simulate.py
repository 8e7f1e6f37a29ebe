"""`baton simulate rate`: what the documents say of the rate's time constant is what the command computes."""

import json

from labs import run


def test_a_rate_s_time_constant_is_chosen_as_the_documents_say():
    rows = json.loads(run("simulate", "rate", "--json").stdout)["rows"]
    ds = {row["time_constant_s"]: row for row in rows
          if (row["policy"], row["hot_per_second"], row["give_back"]) == ("ds", 200, 0.5)}
    spread = [ds[constant]["spread_s"] for constant in sorted(ds)]
    assert spread == sorted(spread), "longer takes longer"
    assert max(ds[0.1]["changes_per_second"].values()) > 0.1, "too short a one wavers"
    assert max(ds[0.5]["changes_per_second"].values()) < 0.01, "the chosen one doesn't"
    assert ds[0.5]["spread_s"] < 0.6 * ds[1]["spread_s"]
    for row in rows:
        if row["policy"] == "ds-2004":
            assert min(row["changes_per_second"].values()) > 20, "one gap has no rest"
