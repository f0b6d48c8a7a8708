// Options for Uppy's AwsS3 plugin, version 5, that upload by vodstack's /uploads (docs/api.md, "Upload directly, in parts").
//
//   Uppy asks for              vodstack answers
//   createMultipartUpload      POST /uploads, with the URLs of the first 100 parts
//   signPart                   a part's URL from an earlier answer, or from GET /uploads/{id}
//   listParts (on resume)      GET /uploads/{id}: what has arrived
//   completeMultipartUpload    POST /uploads/{id}/complete, again while the bucket puts the parts together
//   abortMultipartUpload       DELETE /uploads/{id}

const MIB = 1024 * 1024;
const URL_LIFE_MS = 50 * 60 * 1000; // ten minutes less than the URLs are good for

export function vodstackUploads(api, { headers = {} } = {}) {
  const known = new Map(); // by upload: its latest answer, and when that came

  async function ask(method, path, body) {
    const json = body && { "Content-Type": "application/json" };
    const answer = await fetch(api + path, { method, headers: { ...headers, ...json }, body: body && JSON.stringify(body) });
    const content = answer.status === 204 ? null : await answer.json();
    if (answer.ok) return content;
    const wait = Number(answer.headers.get("Retry-After")) * 1000;
    throw Object.assign(new Error(content.detail), { source: { status: answer.status }, wait });
  }

  async function look(id) {
    const upload = await ask("GET", `/uploads/${id}`);
    known.set(id, { upload, since: Date.now() });
    return upload;
  }

  async function complete(id) {
    for (;;) {
      try {
        return await ask("POST", `/uploads/${id}/complete`);
      } catch (error) {
        if (error.source?.status !== 503 || !error.wait) throw error;
        await new Promise((done) => setTimeout(done, error.wait));
      }
    }
  }

  return {
    shouldUseMultipart: true,
    getChunkSize: ({ size }) => Math.max(8, Math.ceil(size / (9000 * MIB))) * MIB, // as the API cuts it

    async createMultipartUpload(file) {
      const started = { fileName: file.name, sizeBytes: file.size, contentType: file.type || "application/octet-stream" };
      const upload = await ask("POST", "/uploads", { ...started, title: file.meta.name });
      known.set(upload.videoId, { upload, since: Date.now() });
      return { uploadId: upload.videoId, key: upload.videoId };
    },

    async signPart(_file, { uploadId, partNumber }) {
      const { upload, since } = known.get(uploadId) ?? {};
      const named = (each) => each?.missing.find(({ number }) => number === partNumber);
      const part = (Date.now() < since + URL_LIFE_MS && named(upload)) || named(await look(uploadId));
      if (!part) throw new Error(`part ${partNumber} is not asked for`);
      return { method: "PUT", url: part.url };
    },

    async listParts(_file, { uploadId }) {
      // The API completes an upload by what the bucket holds: no ETag is needed, and Uppy only passes it back.
      return (await look(uploadId)).arrived.map((PartNumber) => ({ PartNumber, ETag: `part-${PartNumber}` }));
    },

    async completeMultipartUpload(_file, { uploadId }) {
      const { videoId } = await complete(uploadId);
      known.delete(uploadId);
      return { location: `${api}/videos/${videoId}` };
    },

    async abortMultipartUpload(_file, { uploadId }) {
      known.delete(uploadId);
      await ask("DELETE", `/uploads/${uploadId}`);
    },
  };
}
