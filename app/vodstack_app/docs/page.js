"use strict";
// Sends what a form says and shows the answer below it. The token stays in its field: it is kept nowhere.

const token = document.querySelector("form.token input");
token?.form.addEventListener("submit", (event) => event.preventDefault());

for (const form of document.querySelectorAll("form.try")) {
  form.hidden = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(form);
  });
}

for (const choice of document.querySelectorAll(".code > input")) {
  choice.addEventListener("change", () => {
    for (const other of document.querySelectorAll(`.code > input[value="${choice.value}"]`)) other.checked = true;
  });
}

async function send(form) {
  const output = form.querySelector("output");
  form.running?.abort();
  form.running = new AbortController();
  output.textContent = "...";
  try {
    const [url, options] = request(form);
    // A browser leads to the bucket by itself; this page may ask nothing but the API.
    const answer = await fetch(url, { ...options, redirect: "manual", signal: form.running.signal });
    await show(answer, url, output);
  } catch (error) {
    if (error.name !== "AbortError") output.textContent = `There was no answer: ${error.message}.`;
  }
}

function request(form) {
  const { method, type } = form.dataset;
  const headers = token?.value ? { Authorization: `Bearer ${token.value.trim()}` } : {};
  const query = new URLSearchParams();
  let path = form.dataset.path;
  let body = type === "multipart/form-data" ? new FormData() : undefined;
  for (const field of form.elements) {
    if (!field.name || field.value === "") continue;
    const value = field.type === "file" ? field.files[0] : field.value;
    switch (field.dataset.in) {
      case "path": path = path.replace(`{${field.name}}`, encodeURIComponent(value).replaceAll("%2F", "/")); break;
      case "query": query.append(field.name, value); break;
      case "header": headers[field.name] = value; break;
      case "form": body.append(field.name, value); break;
      case "body": body = value; headers["Content-Type"] = type; break;
    }
  }
  return [query.size ? `${path}?${query}` : path, { method, headers, body }];
}

async function show(answer, url, output) {
  if (answer.type === "opaqueredirect") {
    output.innerHTML = '307: <a rel="noopener">open the file</a>, for it lies in the bucket';
    output.querySelector("a").href = url;
    return;
  }
  const type = answer.headers.get("Content-Type") ?? "";
  const headers = [...answer.headers].map(([name, value]) => `${name}: ${value}\n`).join("");
  const head = `${answer.status} ${answer.statusText}\n${headers}\n`;
  if (type.startsWith("text/event-stream")) {
    output.textContent = head;
    for await (const piece of pieces(answer.body)) output.textContent += piece;
    return;
  }
  const text = await answer.text();
  const said = /\bjson\b/.test(type) && text ? JSON.parse(text) : undefined;
  output.textContent = head + (said ? JSON.stringify(said, null, 2) : text);
  if (said?.videoId && answer.ok) {
    for (const field of document.querySelectorAll('[name="video_id"]')) field.value = said.videoId;
  }
}

async function* pieces(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
}
