//! Event streams: the same events however the bytes are cut, and the same again when they are written.
//!
//! Checksums would keep a fuzzer out of everything behind them, so a first byte that is odd asks for frames
//! whose lengths and checksums are made right before they are read.

use bytes::{Bytes, BytesMut};
use merit_lambda_wire::event_stream::{Decoder, Event, InvokeComplete, StreamError};

/// Decodes the bytes in pieces and at once, and encodes what came of it.
///
/// # Panics
/// When the pieces matter, or when what is written is read otherwise.
pub fn run(data: &[u8]) {
    let Some((&how, rest)) = data.split_first() else { return };
    let bytes = if how & 1 == 1 { repaired(rest) } else { rest.to_vec() };
    let whole = decode(&bytes, usize::MAX);
    let pieces = decode(&bytes, usize::from(how >> 1) + 1);
    assert_eq!(pieces, whole);
    let Ok(events) = whole else { return };
    let mut written = BytesMut::new();
    // Of what is not known only the name is kept, and names beyond any length are cut.
    let known = |event: &&Event| match event {
        Event::PayloadChunk(_) | Event::InvokeComplete(_) => true,
        Event::Exception { code, .. } => code.len() < 1000,
        Event::Unknown(name) => name.len() < 1000,
    };
    let events: Vec<Event> = events.iter().filter(known).cloned().collect();
    events.iter().for_each(|event| event.write_to(&mut written));
    assert_eq!(decode(&written, usize::MAX), Ok(events));
}

fn decode(bytes: &[u8], step: usize) -> Result<Vec<Event>, StreamError> {
    let mut decoder = Decoder::new();
    let mut events = Vec::new();
    for piece in bytes.chunks(step.min(bytes.len().max(1))) {
        decoder.push(piece);
        while let Some(event) = decoder.next_event()? {
            events.push(event);
        }
    }
    decoder.finish().map(|()| events)
}

/// Frames out of bytes: two that say how long the headers are, two how long the payload, then both.
fn repaired(mut left: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some((lengths, rest)) = left.split_first_chunk::<4>() {
        let length = |high: u8, low: u8| usize::from(u16::from_be_bytes([high, low])).min(4096);
        let headers = length(lengths[0], lengths[1]).min(rest.len());
        let payload = length(lengths[2], lengths[3]).min(rest.len() - headers);
        let (body, after) = rest.split_at(headers + payload);
        let number = |number: usize| u32::try_from(number).expect("short frames").to_be_bytes();
        let start = out.len();
        out.extend_from_slice(&number(16 + body.len()));
        out.extend_from_slice(&number(headers));
        let prelude = crc32fast::hash(&out[start..]);
        out.extend_from_slice(&prelude.to_be_bytes());
        out.extend_from_slice(body);
        let message = crc32fast::hash(&out[start..]);
        out.extend_from_slice(&message.to_be_bytes());
        left = after;
    }
    out
}

/// A whole stream, an exception, and the same frames to be repaired.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let complete = InvokeComplete {
        error_code: Some("Unhandled".to_owned()),
        error_details: Some("{}".to_owned()),
        log_tail: Some(Bytes::from_static(b"REPORT")),
    };
    let events = [
        Event::PayloadChunk(Bytes::from_static(b"hello")),
        Event::InvokeComplete(complete),
        Event::InvokeComplete(InvokeComplete::default()),
        Event::Exception { code: "ServiceException".to_owned(), message: "it broke".to_owned() },
        Event::Unknown("Ping".to_owned()),
    ];
    let mut seeds = Vec::new();
    for event in &events {
        let frame = event.encode();
        seeds.push([&[6][..], &frame].concat());
        let headers = u32::from_be_bytes(frame[4..8].try_into().expect("four bytes"));
        let body = &frame[12..frame.len() - 4];
        let payload = body.len() - headers as usize;
        let short = |number: usize| u16::try_from(number).expect("short frames").to_be_bytes();
        seeds.push([&[7][..], &short(headers as usize), &short(payload), body].concat());
    }
    let all: Vec<u8> = events.iter().flat_map(|event| event.encode().to_vec()).collect();
    seeds.push([&[0][..], &all].concat());
    seeds
}
