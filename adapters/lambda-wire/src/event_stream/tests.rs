//! Frames however they are cut, and frames that are none.

use proptest::prelude::*;

use super::*;

/// Frames made with botocore's field order and read back by botocore 1.44.5's own decoder.
const VECTOR: &str = "AAAAcAAAAFoXTodMCzpldmVudC10eXBlBwAMUGF5bG9hZENodW5rDTpjb250ZW50LXR5cGUHABhhcHBsaWNhdGlvbi9vY3RldC1zdHJlYW0NOm1lc3NhZ2UtdHlwZQcABWV2ZW50aGVsbG8gbXEbBAAAAG8AAABa9f6HHws6ZXZlbnQtdHlwZQcADFBheWxvYWRDaHVuaw06Y29udGVudC10eXBlBwAYYXBwbGljYXRpb24vb2N0ZXQtc3RyZWFtDTptZXNzYWdlLXR5cGUHAAVldmVudHdvcmxkJYClpQAAALUAAABU0QPN4As6ZXZlbnQtdHlwZQcADkludm9rZUNvbXBsZXRlDTpjb250ZW50LXR5cGUHABBhcHBsaWNhdGlvbi9qc29uDTptZXNzYWdlLXR5cGUHAAVldmVudHsiRXJyb3JDb2RlIjpudWxsLCJFcnJvckRldGFpbHMiOm51bGwsIkxvZ1Jlc3VsdCI6IlUxUkJVbFFnVW1WeGRXVnpkRWxrT2lBeE1qTT0ifeDf91A=";

fn vector() -> Vec<u8> {
    STANDARD.decode(VECTOR).expect("base64")
}

fn events() -> Vec<Event> {
    let complete = InvokeComplete { log_tail: Some(Bytes::from_static(b"START RequestId: 123")), ..Default::default() };
    let piece = |text: &'static str| Event::PayloadChunk(Bytes::from_static(text.as_bytes()));
    vec![piece("hello "), piece("world"), Event::InvokeComplete(complete)]
}

/// Everything in `bytes`, given to the decoder `step` bytes at a time.
fn decode(bytes: &[u8], step: usize) -> Result<Vec<Event>, StreamError> {
    let mut decoder = Decoder::new();
    let mut events = Vec::new();
    for piece in bytes.chunks(step) {
        decoder.push(piece);
        while let Some(event) = decoder.next_event()? {
            events.push(event);
        }
    }
    decoder.finish().map(|()| events)
}

#[test]
fn the_vector_is_read_however_it_is_cut_and_written_again() {
    for step in [1, 7, 100, 1000] {
        assert_eq!(decode(&vector(), step).as_ref(), Ok(&events()), "{step} bytes at a time");
    }
    let mut written = BytesMut::new();
    events().iter().for_each(|event| event.write_to(&mut written));
    assert_eq!(written, vector());
}

#[test]
fn exceptions_and_errors_end_a_stream() {
    let exception = Event::Exception { code: "ServiceException".to_owned(), message: "it broke".to_owned() };
    assert_eq!(decode(&exception.encode(), 10), Ok(vec![exception]));

    let header = |name: &'static str, value: &'static str| Header::new(name, HeaderValue::String(value.into()));
    let message = Message::new(Bytes::new())
        .add_header(header(":message-type", "error"))
        .add_header(header(":error-code", "InternalError"))
        .add_header(header(":error-message", "an error"));
    let mut bytes = BytesMut::new();
    write_message_to(&message, &mut bytes).expect("within the limits");
    let error = Event::Exception { code: "InternalError".to_owned(), message: "an error".to_owned() };
    assert_eq!(decode(&bytes, 10), Ok(vec![error]));
}

#[test]
fn what_is_wrong_is_said_and_ends_the_decoder() {
    let mut flipped = vector();
    flipped[100] ^= 1;
    let error = decode(&flipped, 1000).expect_err("a wrong checksum");
    assert!(
        matches!(&error, StreamError::Frame(problem) if problem.contains("CRC") || problem.contains("checksum")),
        "{error}"
    );

    assert_eq!(decode(&vector()[..200], 1000), Err(StreamError::Cut(88)), "within the second frame");
    assert_eq!(decode(&[0, 0, 0, 15, 0], 5), Err(StreamError::Length(15)));
    assert_eq!(decode(&[0xff; 12], 12), Err(StreamError::Length(0xffff_ffff)));

    let mut decoder = Decoder::new();
    decoder.push(&[0xff; 12]);
    assert!(decoder.next_event().is_err());
    decoder.push(&vector());
    assert_eq!(decoder.next_event(), Ok(None));

    let mut out = BytesMut::new();
    frame(&mut out, ":event-type", "InvokeComplete", JSON, Bytes::from_static(br#"{"LogResult":"!"}"#));
    assert!(decode(&out, 100).expect_err("not base64").to_string().contains("LogResult is not base64"));
}

#[test]
fn long_pieces_become_several_frames() {
    let long = Bytes::from(vec![7; 2 * CHUNK_BYTES + 1]);
    let read = decode(&Event::PayloadChunk(long).encode(), 64 * 1024).expect("frames");
    let pieces: Vec<usize> =
        read.iter().map(|event| if let Event::PayloadChunk(piece) = event { piece.len() } else { 0 }).collect();
    assert_eq!(pieces, [CHUNK_BYTES, CHUNK_BYTES, 1]);
}

fn any_event() -> impl Strategy<Value = Event> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..300).prop_map(Bytes::from);
    let text = || proptest::option::of(".{0,60}");
    prop_oneof![
        bytes().prop_map(Event::PayloadChunk),
        (text(), text(), proptest::option::of(bytes())).prop_map(|(error_code, error_details, log_tail)| {
            Event::InvokeComplete(InvokeComplete { error_code, error_details, log_tail })
        }),
        ("[A-Z][A-Za-z]{0,40}", ".{0,60}").prop_map(|(code, message)| Event::Exception { code, message }),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read(events in proptest::collection::vec(any_event(), 0..6), step in 1_usize..64) {
        let mut out = BytesMut::new();
        events.iter().for_each(|event| event.write_to(&mut out));
        prop_assert_eq!(decode(&out, step), Ok(events));
    }

    #[test]
    fn anything_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200), step in 1_usize..64) {
        drop(decode(&bytes, step));
    }
}
