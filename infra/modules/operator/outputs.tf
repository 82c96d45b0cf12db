output "policy_arn" {
  description = "ARN of the policy to attach to operators."
  value       = aws_iam_policy.this.arn
}

output "rebuild_policy_arn" {
  description = "ARN of the policy for `stockstream rebuild`."
  value       = aws_iam_policy.rebuild.arn
}
