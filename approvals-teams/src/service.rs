//! By which service a conversation is reached.

use approvals_core::ApproverError;

use crate::cloud::Cloud;
use crate::conversations::Conversations;
use crate::id::ConversationId;
use crate::posting::unkept;

/// The service that Teams said last, where it is one that is known; otherwise the cloud's own.
pub(crate) async fn service(
    conversations: &dyn Conversations,
    cloud: &Cloud,
    at: &ConversationId,
) -> Result<String, ApproverError> {
    for id in [at.as_str(), at.without_thread()] {
        if let Some(known) = conversations.find(id).await.map_err(unkept)?
            && let Some(service) = cloud.allowed(&known.service_url)
        {
            return Ok(service);
        }
    }
    usual(cloud)
}

pub(crate) fn usual(cloud: &Cloud) -> Result<String, ApproverError> {
    let service = cloud.default_service();
    let service = service.ok_or_else(|| ApproverError::for_good("no service is known"))?;
    Ok(service.to_owned())
}
