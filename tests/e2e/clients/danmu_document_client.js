// The JavaScript clients of the "WebSocket API Reference" of live speech, as that document prints them: not to be edited.

class DanmuTTSWebSocketClient {
  constructor(uri = "ws://localhost:8000/ws") {
    this.uri = uri;
    this.ws = null;
    this.requestId = 0;
    this.pendingRequests = new Map();
  }

  connect() {
    return new Promise((resolve, reject) => {
      this.ws = new WebSocket(this.uri);

      this.ws.onopen = () => {
        console.log("Connected to TTS WebSocket");
        resolve();
      };

      this.ws.onmessage = (event) => {
        const message = JSON.parse(event.data);
        this._handleMessage(message);
      };

      this.ws.onerror = (error) => {
        console.error("WebSocket error:", error);
        reject(error);
      };

      this.ws.onclose = (event) => {
        console.log("WebSocket closed:", event.code, event.reason);
      };
    });
  }

  disconnect() {
    if (this.ws) {
      this.ws.close();
    }
  }

  _generateId() {
    return `req_${++this.requestId}`;
  }

  _handleMessage(message) {
    if (message.type === "heartbeat") {
      // Respond to heartbeat
      this.ws.send(
        JSON.stringify({
          type: "heartbeat_ack",
          timestamp: message.timestamp,
        })
      );
      return;
    }

    const request = this.pendingRequests.get(message.id);
    if (request) {
      if (message.status === "success") {
        request.resolve(message);
      } else {
        request.reject(new Error(message.error?.message || "Request failed"));
      }
      this.pendingRequests.delete(message.id);
    }
  }

  async synthesize(text, options = {}) {
    const id = this._generateId();
    const request = {
      id,
      type: "tts",
      data: {
        text,
        ...options,
      },
    };

    return new Promise((resolve, reject) => {
      this.pendingRequests.set(id, { resolve, reject });
      this.ws.send(JSON.stringify(request));
    });
  }

  async getVoices(options = {}) {
    const id = this._generateId();
    const request = {
      id,
      type: "get_voices",
      data: options,
    };

    return new Promise((resolve, reject) => {
      this.pendingRequests.set(id, { resolve, reject });
      this.ws.send(JSON.stringify(request));
    });
  }
}

class DanmuProcessor {
  constructor() {
    this.ttsClient = new DanmuTTSWebSocketClient();
    this.audioQueue = [];
    this.isPlaying = false;
  }

  async initialize() {
    await this.ttsClient.connect();
  }

  async processDanmu(username, message) {
    // Filter inappropriate content
    if (this._isFiltered(message)) {
      return;
    }

    // Format message for TTS
    const ttsText = `${username}说：${message}`;

    try {
      const result = await this.ttsClient.synthesize(ttsText, {
        voice: "zh-CN-XiaoxiaoNeural",
        backend: "edge",
        quality: "medium",
      });

      if (result.status === "success") {
        this._queueAudio(result.data.audio_data);
      }
    } catch (error) {
      console.error("TTS processing failed:", error);
    }
  }

  _isFiltered(message) {
    // Implement content filtering logic
    const blockedWords = ["spam", "inappropriate"];
    return blockedWords.some((word) => message.includes(word));
  }

  _queueAudio(audioData) {
    this.audioQueue.push(audioData);
    if (!this.isPlaying) {
      this._playNext();
    }
  }

  _playNext() {
    if (this.audioQueue.length === 0) {
      this.isPlaying = false;
      return;
    }

    this.isPlaying = true;
    const audioData = this.audioQueue.shift();

    // Create and play audio
    const audioBlob = new Blob(
      [Uint8Array.from(atob(audioData), (c) => c.charCodeAt(0))],
      { type: "audio/wav" }
    );

    const audio = new Audio(URL.createObjectURL(audioBlob));
    audio.onended = () => this._playNext();
    audio.play();
  }
}
