// A function for Google's functions-framework for Node: what main.py is for Python.
import functions from "@google-cloud/functions-framework";

functions.http("hello", (request, response) => {
  if (request.rawBody.toString() === "fail") throw new Error("no such order");
  response.set("content-type", request.get("content-type"));
  response.send(request.rawBody);
});
