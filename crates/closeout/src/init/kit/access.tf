# Closeout's own access to Genesys Cloud: a role with the permissions that it needs and no others, and an OAuth client
# of the grant type client credentials that holds the role.
#
# @ACTS@

variable "division_ids" {
  description = "Divisions whose conversations Closeout may close: ids of divisions, or * for all."
  type        = set(string)
  default     = ["*"]
}

variable "expose_client_secret" {
  description = "Whether Terraform learns the client's secret. It then stands in the state; without it, read it in Admin > Integrations > OAuth."
  type        = bool
  default     = false
}

resource "genesyscloud_auth_role" "closeout" {
  name        = "@NAME@"
  description = "Closes messaging sessions and proves that they closed. Made by closeout init genesys."

@POLICIES@}

resource "genesyscloud_oauth_client" "closeout" {
  name                  = "@NAME@"
  description           = "Closeout. Tokens of this grant carry roles, not scopes."
  authorized_grant_type = "CLIENT-CREDENTIALS"
  expose_client_secret  = var.expose_client_secret
  state                 = "active"

  # The provider asks that the client which Terraform itself uses holds a role before it gives it on.
  dynamic "roles" {
    for_each = var.division_ids
    content {
      role_id     = genesyscloud_auth_role.closeout.id
      division_id = roles.value
    }
  }
}

output "closeout_client_id" {
  description = "GENESYSCLOUD_OAUTHCLIENT_ID of Closeout."
  value       = genesyscloud_oauth_client.closeout.client_id
}

output "closeout_client_secret" {
  description = "GENESYSCLOUD_OAUTHCLIENT_SECRET of Closeout; null without expose_client_secret."
  value       = genesyscloud_oauth_client.closeout.client_secret
  sensitive   = true
}
