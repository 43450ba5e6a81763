// A function as a wasi:http component: it answers with what it was asked.
addEventListener("fetch", (event) => event.respondWith(answer(event.request)));

let calls = 0;

async function answer(request) {
  const url = new URL(request.url);
  if (url.pathname === "/spin") for (;;);
  if (url.pathname === "/recurse") return new Response(String(depth(0)));
  if (url.pathname === "/hoard") {
    const hoard = [];
    for (;;) hoard.push(new Uint8Array(1 << 20).fill(1));
  }
  if (url.pathname === "/flood") return new Response("x".repeat(8 << 20));
  if (url.pathname === "/out") {
    try {
      return new Response(`reached ${(await fetch("http://127.0.0.1:8780/livez")).status}`);
    } catch {
      return new Response("not reached");
    }
  }
  calls += 1;
  const told = request.headers.get("x-told");
  const text = `${request.method} ${url.pathname}${url.search} ${told} ${calls} ${await request.text()}`;
  return new Response(text, { status: 201, headers: { "content-type": "text/plain", "x-made-by": "componentize-js" } });
}

function depth(n) {
  return depth(n + 1) + 1;
}
