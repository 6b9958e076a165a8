"""What the log says of WebSocket connections."""

import logging


class PublicLines(logging.Filter):
    """Keeps credentials and the faults of clients out of the log.

    uvicorn writes the whole URL of each handshake, and credentials travel in the query; it writes a traceback for text
    that is not UTF-8, of which the client is told (1007) and which is no error of the server.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Cut the query from each argument; let everything pass but the traceback."""
        if isinstance(record.args, tuple):
            record.args = tuple(arg.partition("?")[0] if isinstance(arg, str) else arg for arg in record.args)
        return not (record.exc_info and isinstance(record.exc_info[1], UnicodeDecodeError))


logger = logging.getLogger("uvicorn.error.websocket")
logger.addFilter(PublicLines())
