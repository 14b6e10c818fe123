from wic.transport.driver import SystemRandomSource


def test_tokens_are_long_enough_and_never_the_same():
    random_source = SystemRandomSource()
    seen = {random_source.hex(8) for _ in range(1000)}
    assert len(seen) == 1000
    assert {len(token) for token in seen} == {16}
