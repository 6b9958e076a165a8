"""The vendor's own models of actions, which say whether an NCCO is one."""

from typing import Any

from pydantic import BaseModel
from vonage_voice.models import ncco
from vonage_voice.models.connect_endpoints import PhoneEndpoint, SipEndpoint, WebsocketEndpoint

ACTIONS: dict[str, type[BaseModel]] = {
    "talk": ncco.Talk,
    "connect": ncco.Connect,
    "record": ncco.Record,
    "stream": ncco.Stream,
    "input": ncco.Input,
    "conversation": ncco.Conversation,
    "notify": ncco.Notify,
}
ENDPOINTS: dict[str, type[BaseModel]] = {"phone": PhoneEndpoint, "sip": SipEndpoint, "websocket": WebsocketEndpoint}


def vonage_writes(action: Any) -> Any:
    """Return what the vendor's model makes of an action; it raises ValidationError if it is none.

    Two fields can be given to the models by their Python names alone; an endpoint is judged by the class of its type,
    since the union would take any that fits.
    """
    given = dict(action)
    if "from" in given:
        given["from_"] = given.pop("from")
    if "endpoint" in given:
        given["endpoint"] = [_endpoint(endpoint) for endpoint in given["endpoint"]]
    model = ACTIONS[given["action"]].model_validate(given, strict=False)
    assert not model.model_extra
    unknown = set(given) - set(type(model).model_fields)
    assert not unknown, unknown
    return model.model_dump(mode="json", by_alias=True, exclude_unset=True)


def _endpoint(endpoint: Any) -> BaseModel:
    given = dict(endpoint)
    if "content-type" in given:
        given["contentType"] = given.pop("content-type")
    kind = ENDPOINTS[given["type"]]
    assert set(given) <= set(kind.model_fields)
    return kind.model_validate(given)
