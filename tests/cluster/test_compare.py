"""`baton compare`: both kinds of front answer, and their bytes are told apart."""

import json
import os
import subprocess

BATON = os.environ.get("BATON", "build/baton")


def test_a_proxy_carries_what_baton_does_not():
    done = subprocess.run([BATON, "compare", "--peers", "haproxy,baton", "--sizes", "10KB", "--modes", "keepalive",
                           "--rounds", "1", "--seconds", "0.3", "--json"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    by_peer = {result["peer"]: result for result in json.loads(done.stdout)["results"]}
    assert sorted(by_peer) == ["baton", "haproxy"]
    for result in by_peer.values():
        assert result["requests_per_second"] > 0 and result["errors"] == 0
    # In and out again, against acknowledgements and requests alone.
    assert by_peer["haproxy"]["front_bytes_per_byte"] > 2 > 0.5 > by_peer["baton"]["front_bytes_per_byte"]
