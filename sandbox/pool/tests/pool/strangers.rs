//! Connections of strangers: bounded, and never in the way of those that may call; and answers that come before a
//! request is read whole.

use hyper::client::conn::http1::SendRequest;
use merit_pool::Secret;
use tokio::net::TcpSocket;
use tokio::time::timeout;

use super::*;

const NOW: u64 = 1_800_000_000;
/// For what ends at once, also on a busy machine.
const SOON: Duration = Duration::from_secs(20);

/// A pool that asks for signatures, and its secret.
async fn signed_pool(config: PoolConfig) -> (Running, Secret) {
    let secret = Secret::random();
    let pool = Pool::try_new(&config).expect("a pool").signed(secret.clone(), || NOW);
    (Running::serve(pool, config.functions).await, secret)
}

/// A connection that is kept, to call with signatures.
struct Caller {
    sender: SendRequest<Full<Bytes>>,
    secret: Secret,
    calls: u32,
}

impl Caller {
    async fn connect(pool: &Running, secret: &Secret) -> Self {
        let stream = TcpStream::connect(pool.address).await.expect("connects");
        let (sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("a handshake");
        tokio::spawn(connection);
        Self { sender, secret: secret.clone(), calls: 0 }
    }

    async fn call(&mut self) -> StatusCode {
        self.calls += 1;
        let id = format!("{:p}-{}", &raw const self.sender, self.calls);
        let request = Request::post("/primes").header("host", "pool").header("webhook-id", &id);
        let request = request.header("webhook-timestamp", NOW);
        let request = request.header("webhook-signature", self.secret.sign(&id, NOW, b"7"));
        self.sender.ready().await.expect("the connection is there");
        let request = request.body(Full::new(Bytes::from_static(b"7"))).expect("a request");
        let (head, body) = self.sender.send_request(request).await.expect("a reply").into_parts();
        body.collect().await.expect("a body");
        head.status
    }
}

/// Waits until the pool has closed a connection.
async fn is_closed(stranger: &mut TcpStream) {
    let read = timeout(SOON, stranger.read(&mut [0; 64])).await.expect("it is closed soon");
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
}

#[tokio::test]
async fn strangers_keep_nobody_out_and_the_stillest_goes_first() {
    let (pool, secret) = signed_pool(PoolConfig { strangers: 4, strangers_per_address: 4, ..config() }).await;
    let mut known = Caller::connect(&pool, &secret).await;
    assert_eq!(known.call().await, StatusCode::OK);
    let mut strangers = Vec::new();
    for number in 0..40 {
        let mut stranger = TcpStream::connect(pool.address).await.expect("connects");
        // Some have begun a request.
        stranger.write_all(&b"POST /primes HTTP/1.1\r\n"[..number % 20]).await.expect("sends");
        strangers.push(stranger);
    }
    for stranger in &mut strangers[..36] {
        is_closed(stranger).await;
    }
    assert_eq!(known.call().await, StatusCode::OK, "who is known stays");
    assert_eq!(Caller::connect(&pool, &secret).await.call().await, StatusCode::OK, "who may call gets in");
}

#[tokio::test]
async fn a_payload_of_a_stranger_is_given_up_for_others() {
    let (pool, secret) = signed_pool(PoolConfig { strangers: 1, strangers_per_address: 1, ..config() }).await;
    let mut slow = TcpStream::connect(pool.address).await.expect("connects");
    let head = format!(
        "POST /primes HTTP/1.1\r\nhost: pool\r\nwebhook-id: x\r\nwebhook-timestamp: {NOW}\r\n\
         webhook-signature: v1,AAAA\r\nexpect: 100-continue\r\ncontent-length: 900\r\n\r\n"
    );
    slow.write_all(head.as_bytes()).await.expect("sends");
    slow.read_exact(&mut [0; "HTTP/1.1 100 Continue\r\n\r\n".len()]).await.expect("its payload is waited for");
    assert_eq!(Caller::connect(&pool, &secret).await.call().await, StatusCode::OK);
    assert!(first_line(&mut slow).await.contains("503"), "it is told");
}

#[tokio::test]
async fn a_stranger_that_asks_nothing_is_closed_and_one_who_is_known_is_not() {
    let stranger_idle = Duration::from_millis(200);
    let (pool, secret) = signed_pool(PoolConfig { stranger_idle, ..config() }).await;
    let mut known = Caller::connect(&pool, &secret).await;
    assert_eq!(known.call().await, StatusCode::OK);
    let mut strangers = Vec::new();
    // Nothing, half a head, and a request that is refused: none of them makes it known.
    for said in ["", "POST /primes HT", "POST /primes HTTP/1.1\r\nhost: pool\r\ncontent-length: 0\r\n\r\n"] {
        let mut stranger = TcpStream::connect(pool.address).await.expect("connects");
        stranger.write_all(said.as_bytes()).await.expect("sends");
        strangers.push(stranger);
    }
    assert!(first_line(&mut strangers[2]).await.contains("401"));
    for stranger in &mut strangers {
        let closed = async { while stranger.read(&mut [0; 1024]).await.is_ok_and(|read| read > 0) {} };
        timeout(SOON, closed).await.expect("it is closed soon");
    }
    assert_eq!(known.call().await, StatusCode::OK);
}

/// Sends a request with 20 MB of payload through a socket that takes little at once, and only then reads.
async fn answer_to_20_mb(address: std::net::SocketAddr, head: &str) -> String {
    const PAYLOAD: usize = 20 << 20;
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_send_buffer_size(16 << 10).expect("a size");
    let mut stream = socket.connect(address).await.expect("connects");
    stream.write_all(head.as_bytes()).await.expect("sends");
    let chunk = [b'x'; 8 << 10];
    for _ in 0..PAYLOAD / chunk.len() {
        if head.contains("chunked") {
            stream.write_all(b"2000\r\n").await.expect("sends");
        }
        stream.write_all(&chunk).await.expect("all of it is taken");
        if head.contains("chunked") {
            stream.write_all(b"\r\n").await.expect("sends");
        }
    }
    first_line(&mut stream).await
}

#[tokio::test]
async fn an_answer_that_comes_before_the_request_is_read_whole_is_not_lost() {
    let length = "content-length: 20971520\r\n\r\n";
    let pool = Running::start(PoolConfig { payload_bytes: 1000, ..config() }).await;
    for (head, status) in [
        (format!("POST /primes HTTP/1.1\r\nhost: pool\r\n{length}"), "413"),
        ("POST /primes HTTP/1.1\r\nhost: pool\r\ntransfer-encoding: chunked\r\n\r\n".to_owned(), "413"),
        (format!("POST /nobody HTTP/1.1\r\nhost: pool\r\n{length}"), "404"),
        (format!("PUT /primes HTTP/1.1\r\nhost: pool\r\n{length}"), "405"),
        (format!("POST /primes HTTP/1.1\r\nhost: pool\r\n{DEADLINE_MS}: soon\r\n{length}"), "400"),
    ] {
        assert!(answer_to_20_mb(pool.address, &head).await.contains(status), "{head}");
    }
    let (pool, _) = signed_pool(config()).await;
    let head = format!("POST /primes HTTP/1.1\r\nhost: pool\r\n{length}");
    assert!(answer_to_20_mb(pool.address, &head).await.contains("401"));
}
