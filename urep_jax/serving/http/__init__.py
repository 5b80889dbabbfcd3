"""Near-real-time inference over HTTP: what happens to users goes in, their vectors come out.

It knows neither models nor stores, only a `backend.Backend`. A request goes through the files in this order: `server`
listens, `connections` hangs up on who dawdles, `app` lets in whom `token` and `limits` let in, finds one of the
`endpoints`, reads what is `asked`, hands it to the `desk`, which calls the backend in threads (`batching`), and sends
one of the `answers` or a refusal (`refusals`). `description` tells all of it as OpenAPI, and `metrics` counts.
"""
