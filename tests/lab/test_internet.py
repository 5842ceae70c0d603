import json
import sys

import pytest

from probe.catalogue.loader import default_catalogue_path, load_catalogue
from probe.catalogue.model import Catalogue
from probe.lab.internet import internet
from probe.lab.lab import Lab
from probe.lab.model import Site
from probe.wire.addresses import is_address, is_public

HANDSHAKES = """
import concurrent.futures, json, socket, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[1])
def failure(host):
    try:
        with socket.create_connection((host, 443), 20) as plain, context.wrap_socket(plain, server_hostname=host):
            return None
    except OSError as error:
        return f"{host}: {error}"
with concurrent.futures.ThreadPoolExecutor(16) as pool:
    print(json.dumps([said for said in pool.map(failure, json.loads(sys.argv[2])) if said]))
"""


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue(default_catalogue_path())


def test_every_endpoint_of_the_catalogue_has_somebody_who_answers(catalogue: Catalogue) -> None:
    world = internet(catalogue)
    for endpoint in catalogue.endpoints():
        site = world.site(endpoint.target.host)
        assert endpoint.target.scheme in {"dns", "quic"} or endpoint.target.port in site.ports, endpoint.url


def test_every_host_has_a_public_address_of_its_own(catalogue: Catalogue) -> None:
    addresses = [address for site in internet(catalogue).sites for address in site.addresses]
    assert len(addresses) == len(set(addresses)) > 250
    assert all(is_public(address) for address in addresses)


def test_a_site_given_takes_the_place_of_the_catalogues_own(catalogue: Catalogue) -> None:
    own = Site(name="x.com", addresses=("104.244.42.200",), ports={})
    world = internet(catalogue, (own,))
    assert [site for site in world.sites if site.name == "x.com"] == [own]


def test_a_world_may_have_no_more_than_the_infrastructure(catalogue: Catalogue) -> None:
    names = {site.name for site in internet(catalogue, platforms=()).sites}
    assert {"cloudflare-dns.com", "example.com", "captive.apple.com"} <= names
    assert "x.com" not in names


def test_the_whole_catalogue_is_served_with_valid_certificates(catalogue: Catalogue) -> None:
    over_tls = {
        e.target.host for e in catalogue.endpoints() if e.target.scheme in {"https", "tls"} and e.target.port == 443
    }
    hosts = sorted(host for host in over_tls if not is_address(host))
    with Lab(internet(catalogue)) as lab:
        done = lab.run(lab.vantage, [sys.executable, "-c", HANDSHAKES, str(lab.ca_file), json.dumps(hosts)], 120)
    assert (json.loads(done.stdout), len(hosts) > 200) == ([], True)
