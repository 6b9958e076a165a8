// What stands in the place of a microphone and of the audio thread of a browser.

/** A browser with a microphone. @param {{rate?: number, takesAnyRate?: boolean, refusal?: Error}} options */
export function fakeBrowser({ rate = 48000, takesAnyRate = true, refusal = null } = {}) {
  const made = { asked: [], contexts: [], nodes: [], track: null };

  class Track extends EventTarget {
    isStopped = false;

    stop() {
      this.isStopped = true;
    }
  }

  class AudioContext {
    isClosed = false;
    audioWorklet = { addModule: async (url) => (this.module = String(url)) };

    constructor({ sampleRate = rate } = {}) {
      this.sampleRate = sampleRate;
      made.contexts.push(this);
    }

    createMediaStreamSource() {
      if (!takesAnyRate && this.sampleRate !== rate) throw new DOMException("another rate", "NotSupportedError");
      return { connect: (node) => (made.connected = node) };
    }

    async resume() {}

    async close() {
      this.isClosed = true;
    }
  }

  class AudioWorkletNode {
    told = [];
    port = { postMessage: (message) => this.told.push(message) };

    constructor(context, name, options) {
      Object.assign(this, { context, name, options });
      made.nodes.push(this);
    }

    disconnect() {
      this.isDisconnected = true;
    }

    /** Hand on what was heard, as the audio thread does. @param {Float32Array} samples */
    hear(samples) {
      this.port.onmessage({ data: samples });
    }
  }

  const mediaDevices = {
    async getUserMedia(wanted) {
      made.asked.push(wanted);
      if (refusal) throw refusal;
      made.track = new Track();
      return { getTracks: () => [made.track] };
    },
  };
  return { made, options: { mediaDevices, AudioContext, AudioWorkletNode } };
}
