import AwsS3 from "@uppy/aws-s3";
import Uppy from "@uppy/core";
import Dashboard from "@uppy/dashboard";

import "@uppy/core/css/style.min.css";
import "@uppy/dashboard/css/style.min.css";

import { vodstackUploads } from "./vodstack-uploads.js";

const api = new URLSearchParams(location.search).get("api") ?? "http://localhost:8080";

new Uppy({ restrictions: { allowedFileTypes: ["video/*", ".mkv"] } })
  .use(Dashboard, { target: "#uploader", inline: true, width: "100%", proudlyDisplayPoweredByUppy: false })
  .use(AwsS3, vodstackUploads(api))
  .on("upload-success", (file, { uploadURL }) => {
    const link = Object.assign(document.createElement("a"), { href: uploadURL, textContent: uploadURL });
    document.querySelector("#stored").replaceChildren(`${file.name} is stored, and is processed now: `, link);
  });
