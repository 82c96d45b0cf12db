output "policy_arn" {
  description = "ARN of the policy to attach to operators."
  value       = aws_iam_policy.this.arn
}
