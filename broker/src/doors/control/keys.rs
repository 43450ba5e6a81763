//! API keys.

use axum::extract::{Path, State};
use http::StatusCode;
use merit_store::record::KeyRow;
use merit_units::{AccountId, KeyId, VenueId};
use merit_wire::{KeyCreated, KeyList, KeySpec, Problem};

use super::{Body, Caller, Denied, Json, Shared, blocking};
use crate::doors::views;
use crate::keys::{self, KeyRecord, Keys, Role, Roles};
use crate::refusal::Refusal;

/// All keys, without their secrets.
#[utoipa::path(get, path = "/v1/keys", tag = "keys", responses((status = 200, body = KeyList)))]
pub(super) async fn list(State(broker): State<Shared>, caller: Caller) -> Result<Json<KeyList>, Denied> {
    caller.require(Role::Admin)?;
    let store = broker.store.clone();
    let keys = blocking(move || store.keys()).await?;
    Ok(Json(KeyList { keys: keys.iter().map(views::key).collect() }))
}

/// Makes a key. Its secret is in this answer and nowhere else.
#[utoipa::path(post, path = "/v1/keys", tag = "keys", request_body = KeySpec,
    responses((status = 201, body = KeyCreated), (status = 400, body = Problem)))]
pub(super) async fn create(
    State(broker): State<Shared>,
    caller: Caller,
    Body(spec): Body<KeySpec>,
) -> Result<(StatusCode, Json<KeyCreated>), Denied> {
    caller.require(Role::Admin)?;
    let account = AccountId::try_new(&spec.account).map_err(|error| Refusal::BadRequest(error.to_string()))?;
    let roles = spec.roles.iter().map(|role| role.parse::<Role>());
    let roles: Vec<Role> = roles.collect::<Result<_, _>>().map_err(Refusal::BadRequest)?;
    if roles.is_empty() {
        return Err(Refusal::BadRequest("a key needs at least one role".to_owned()).into());
    }
    let roles = roles.into_iter().collect::<Roles>();
    let venues = venues(&broker, roles, &spec.venues)?;
    let (secret, record, sealed_secret) = if spec.aws {
        let (secret, record) = keys::aws::generate(account, roles);
        let sealed = broker.secrets.seal(record.id.as_str(), secret.reveal());
        let sealed = sealed.map_err(|error| Refusal::BadRequest(error.to_string()))?;
        (secret.reveal().to_owned(), record, Some(sealed))
    } else {
        let (secret, record) = Keys::generate(account, roles);
        (secret, record, None)
    };
    let record = KeyRecord { venues: venues.clone(), ..record };
    let number = broker.store.open_account(&record.account).await?;
    let row = KeyRow {
        id: record.id.clone(),
        secret_hash: record.hash,
        sealed_secret,
        account: record.account.clone(),
        roles: record.roles.names().join(","),
        note: spec.note,
        created_at: broker.clock.now(),
        revoked_at: None,
        venues,
    };
    broker.store.insert_key(row).await?;
    broker.keys.insert(&record, number);
    let created = KeyCreated {
        id: record.id.to_string(),
        secret,
        account: record.account.to_string(),
        roles: record.roles.names(),
        venues: spec.venues,
        aws: spec.aws,
    };
    Ok((StatusCode::CREATED, Json(created)))
}

/// The venues a key is bound to: providers' ones, for a provider's key and for no other.
fn venues(broker: &Shared, roles: Roles, names: &[String]) -> Result<Vec<VenueId>, Refusal> {
    let provider = roles.names().iter().any(|role| role == Role::Provider.as_str());
    match (provider, names.is_empty()) {
        (true, true) => {
            return Err(Refusal::BadRequest("a provider's key needs the venues it acts for: give `venues`".to_owned()));
        }
        (false, false) => {
            return Err(Refusal::BadRequest("only a key with the role `provider` acts for venues".to_owned()));
        }
        _ => {}
    }
    let directory = broker.directory.load();
    let known = names.iter().map(|name| {
        let venue = directory.venue(name)?;
        if venue.provider.is_none() {
            let kind = venue.adapter.kind();
            return Err(Refusal::BadRequest(format!("`{name}` is no provider's venue: its kind is {kind}")));
        }
        Ok(venue.id.clone())
    });
    known.collect()
}

/// Revokes a key. It is refused from now on; its receipts stay.
#[utoipa::path(delete, path = "/v1/keys/{id}", tag = "keys",
    params(("id" = String, Path, description = "the key's id, without its secret")),
    responses((status = 204), (status = 404, body = Problem)))]
pub(super) async fn revoke(
    State(broker): State<Shared>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Denied> {
    caller.require(Role::Admin)?;
    let unknown = || Refusal::Unknown { kind: "key", name: id.clone(), near: Vec::new() };
    let key = KeyId::try_new(&id).map_err(|_| unknown())?;
    broker.keys.remove(&key);
    if broker.store.revoke_key(&key, broker.clock.now()).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(unknown().into())
    }
}
