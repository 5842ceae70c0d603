"""From the words that a person types to tasks."""

import pytest

from probe.catalogue.loader import default_catalogue_path, load_catalogue
from probe.catalogue.model import Catalogue, CatalogueError
from probe.cli.selection import tasks_for


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue(default_catalogue_path())


def test_no_word_means_everything(catalogue: Catalogue) -> None:
    assert [task.target for task in tasks_for([], catalogue)] == [e.target for e in catalogue.endpoints()]


def test_a_platform_and_a_service_of_it_are_their_endpoints(catalogue: Catalogue) -> None:
    platform = catalogue.platform("whatsapp")
    assert platform is not None
    whole, messaging = tasks_for(["WhatsApp"], catalogue), tasks_for(["whatsapp.messaging"], catalogue)
    assert {task.service for task in whole} == {service.id for service in platform.services}
    assert {(task.platform, task.service) for task in messaging} == {("whatsapp", "messaging")}
    assert 0 < len(messaging) < len(whole)
    assert all(task.domains == platform.domains for task in whole)


@pytest.mark.parametrize("word", ["https://x.com/", "x.com", "X.COM", "https://x.com:443"])
def test_a_url_of_the_catalogue_is_measured_as_the_catalogue_s(word: str, catalogue: Catalogue) -> None:
    (task,) = tasks_for([word], catalogue)
    assert (task.platform, task.target.url) == ("x", "https://x.com/")
    assert task.domains


def test_another_url_is_a_task_of_nobody_s_and_may_lead_anywhere(catalogue: Catalogue) -> None:
    (task,) = tasks_for(["bücher.example"], catalogue)
    assert (task.platform, task.service, task.domains) == (None, None, None)
    assert task.target.url == "https://xn--bcher-kva.example/"


def test_what_is_named_twice_is_measured_once(catalogue: Catalogue) -> None:
    words = ["x", "x.web", "https://x.com/", "example.com", "https://EXAMPLE.com"]
    tasks = tasks_for(words, catalogue)
    assert len(tasks) == len(tasks_for(["x"], catalogue)) + 1


@pytest.mark.parametrize(("word", "near"), [("twitter", "x"), ("telegramm", "telegram"), ("Instagrm", "instagram")])
def test_a_misspelt_platform_is_named_with_what_was_meant(word: str, near: str, catalogue: Catalogue) -> None:
    with pytest.raises(CatalogueError, match=rf"unknown platform '{word}': did you mean {near}\?"):
        tasks_for([word], catalogue)
