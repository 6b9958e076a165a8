// The JavaScript of the "WebSocket Real-Time Matching API" document, put together from its examples: connecting,
// sending, handling each type of message, and the client that reconnects. Not to be made cleverer than they are.

function connect(url, { displayMatches, onopen, onclose }) {
  const ws = new WebSocket(url);

  ws.onopen = () => {
    console.log("Connected");
    onopen(ws);
  };

  ws.onmessage = (event) => {
    const message = JSON.parse(event.data);

    switch (message.type) {
      case "match":
        displayMatches(message.data.matches, message);
        break;
      case "status":
        console.log(message.message);
        break;
      case "error":
        console.error(message.message);
        break;
    }
  };

  ws.onclose = (event) => {
    console.log("Connection closed:", event.code, event.reason);
    onclose(event);
  };

  return ws;
}

class ReconnectingClient {
  constructor(url) {
    this.url = url;
    this.reconnectDelay = 1000;
    this.maxReconnectDelay = 30000;
    this.connect();
  }

  connect() {
    this.ws = new WebSocket(this.url);

    this.ws.onopen = () => {
      this.reconnectDelay = 1000;
    };

    this.ws.onclose = () => {
      setTimeout(() => {
        this.reconnectDelay = Math.min(this.reconnectDelay * 2, this.maxReconnectDelay);
        this.connect();
      }, this.reconnectDelay);
    };
  }
}
