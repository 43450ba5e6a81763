// A function for Google's Functions Framework for Node: tells what it was asked, and fails when it is told to.
const functions = require("@google-cloud/functions-framework");

functions.http("web", (request, response) => {
  if (request.path === "/fail") throw new Error("as asked");
  response.json({ path: request.path, name: request.query.name ?? null, body: request.body });
});
