"""HTTP over the index: questions answered, events taken in. Start at `app.build`.

Litestar on uvicorn (uvloop, httptools), chosen by measure: processor time of the server for one request, on the machine
that the benches run on.

    answer              1 KB of JSON   100 events taken in   import
    Litestar, uvicorn         0.18 ms               0.8 ms    0.6 s
    FastAPI, uvicorn          0.36 ms               1.1 ms    0.8 s
    Starlette, uvicorn        0.10 ms               0.5 ms    0.2 s
    Litestar, Granian         0.14 ms               1.1 ms    0.6 s

Starlette alone describes nothing: the OpenAPI document and the checks of parameters would be ours to write. Litestar
makes both from the types of msgspec, which the rest of the processor speaks; FastAPI wants each a second time for
pydantic. Granian is somewhat faster than uvicorn, but wants the process for itself, and this one has a health server,
a thread for Kafka and the signals of a role.
"""
