"""Whether a provider can be reached at all, asked without anything that identifies us or moves money."""

from ivr.domain.errors import IvrError, Unusable
from ivr.runtime.http_client import HttpClient


async def check_reachable(provider: str, http: HttpClient) -> None:
    """Any answer below 500 to a HEAD of the base address will do. Raises Unusable, naming the provider.

    `http` must send no credential: where one stands in a client's headers, a client of its own is for this.
    """
    try:
        answer = await http.request("HEAD", "/")
    except IvrError as error:
        problem = str(error)
    else:
        if answer.status < 500:
            return
        problem = f"HTTP {answer.status}"
    raise Unusable(f"{provider} does not answer ({problem})")
