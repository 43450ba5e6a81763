//! One call of a component that handles HTTP requests.
//!
//! The same limits hold as for a command: memory, wall and CPU time, the size of the reply, the number of
//! things the host keeps for it. Invariant: nothing leaves the sandbox. There are no sockets, names, files,
//! arguments or variables, and a request of the component's own is refused to it.
//!
//! Known limitation: the response is collected whole before it is given out.

use std::future::Future;
use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Request};
use http_body_util::{BodyExt, Full};
use tokio::sync::oneshot;
use wasmtime::component::ResourceTable;
use wasmtime::{Error, Store};
use wasmtime_wasi::p2::pipe::MemoryInputPipe;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::p2::bindings::ProxyPre;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, Scheme};
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;
use wasmtime_wasi_http::{RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView};

use crate::Head;
use crate::error::Stop;
use crate::guest::{COPY_AT_ONCE, HOST_OBJECTS_MAX, MemoryGate, RANDOM_AT_ONCE};
use crate::observe::Observed;
use crate::stream::{Channel, Pipe};

/// What a request without one is said to be for: components refuse requests to nobody.
const HOST_NAME: HeaderValue = HeaderValue::from_static("function");

/// The state of one running component.
pub(crate) struct HttpGuest {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    table: ResourceTable,
    hooks: NoRequests,
    memory: MemoryGate,
    observed: Arc<Observed>,
}

impl HttpGuest {
    fn new(memory: MemoryGate, observed: Arc<Observed>) -> Self {
        let log = || Pipe::new(Arc::clone(&observed), Channel::Log);
        let wasi = WasiCtxBuilder::new()
            .stdin(MemoryInputPipe::new(Bytes::new()))
            .stdout(log())
            .stderr(log())
            .max_random_size(RANDOM_AT_ONCE)
            .allow_tcp(false)
            .allow_udp(false)
            .build();
        let mut table = ResourceTable::new();
        table.set_max_capacity(HOST_OBJECTS_MAX);
        Self { wasi, http: WasiHttpCtx::new(), table, hooks: NoRequests, memory, observed }
    }
}

impl WasiView for HttpGuest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for HttpGuest {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.hooks }
    }
}

/// Refuses the requests a component would make.
struct NoRequests;

type Sent = Result<
    (http::Response<WasiBody>, Box<dyn Future<Output = Result<(), wasmtime_wasi_http::Error>> + Send>),
    wasmtime_wasi_http::Error,
>;

impl WasiHttpHooks for NoRequests {
    fn send_request(
        &mut self,
        _: http::Request<WasiBody>,
        _: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<(), wasmtime_wasi_http::Error>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        Box::new(std::future::ready(Err(wasmtime_wasi_http::Error::HttpRequestDenied)))
    }
}

/// Runs one request to the end of its response, whose body goes to what is observed.
pub(crate) async fn call(
    handler: &ProxyPre<HttpGuest>,
    mut request: Request<Bytes>,
    memory: MemoryGate,
    observed: &Arc<Observed>,
) -> wasmtime::Result<Option<Head>> {
    let mut store = Store::new(handler.engine(), HttpGuest::new(memory, Arc::clone(observed)));
    store.limiter(|guest| &mut guest.memory);
    store.set_hostcall_fuel(COPY_AT_ONCE);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|store| Ok(store.data().observed.tick()?));
    if request.uri().authority().is_none() && !request.headers().contains_key(HOST) {
        request.headers_mut().insert(HOST, HOST_NAME);
    }
    let (answer, answered) = oneshot::channel();
    let incoming = store.data_mut().http().new_incoming_request(Scheme::Http, request.map(Full::new))?;
    let outgoing = store.data_mut().http().new_response_outparam(answer)?;
    let guest = async move {
        let proxy = handler.instantiate_async(&mut store).await?;
        proxy.wasi_http_incoming_handler().call_handle(&mut store, incoming, outgoing).await
        // The store goes here, and with it the sending half of a response that was never set.
    };
    let ((), head) = futures_util::future::try_join(guest, collect(answered, observed)).await?;
    Ok(Some(head))
}

type Answered = oneshot::Receiver<Result<http::Response<HyperOutgoingBody>, ErrorCode>>;

async fn collect(answered: Answered, observed: &Observed) -> wasmtime::Result<Head> {
    let response = match answered.await {
        Ok(Ok(response)) => response,
        Ok(Err(code)) => return Err(Error::msg(format!("the component failed its request: {code:?}"))),
        Err(_gone) => return Err(Stop::NoResponse.into()),
    };
    let (head, mut body) = response.into_parts();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Error::msg(format!("the component broke off its response: {error:?}")))?;
        if let Ok(data) = frame.into_data() {
            observed.output.lock().unwrap_or_else(PoisonError::into_inner).write(&data)?;
        }
    }
    Ok(Head { status: head.status, headers: head.headers })
}
