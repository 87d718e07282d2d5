"""`python -m tests.lab`: bring the lab up, publish and install a first release, wait for Ctrl-C.

`python -m tests.lab forget` removes what earlier labs have kept to be quick: engine and images.
"""

from __future__ import annotations

import signal
import sys
from contextlib import suppress

from tests.lab.engine import forget_cache
from tests.lab.lab import Lab


def main() -> None:
    """Run until interrupted."""
    with suppress(KeyboardInterrupt), Lab() as lab:
        print(f"{lab.name} is coming up …", flush=True)
        release = lab.publisher.publish()
        lab.install(release)
        print(
            f"the stack is up at release {release.tag}; Ctrl-C removes it\n\n"
            f"  pages          curl -H 'Host: {lab.stack.app_domain}' {lab.stack.url}/\n"
            f"  API            curl -H 'Host: {lab.stack.api_domain}'"
            f" {lab.stack.url}/api/v1/health\n"
            f"  containers     DOCKER_HOST={lab.engine.host} docker ps\n"
            f"  releases       git -c http.sslCAInfo={lab.origin.ca_file}"
            f" ls-remote {lab.origin.url}\n"
            f"  images         http://{lab.registry.address}/v2/_catalog\n"
            f"  env file       {lab.stack.env_file}\n"
            f"  signing key    {lab.keys.ssh.public}",
            flush=True,
        )
        signal.pause()


if __name__ == "__main__":
    if sys.argv[1:] == ["forget"]:
        forget_cache()
    else:
        main()
