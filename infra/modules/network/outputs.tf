output "vpc_id" {
  description = "Id of the VPC."
  value       = aws_vpc.this.id
}

output "subnet_ids" {
  description = "Ids of the public subnets, one a zone."
  value       = [for subnet in aws_subnet.public : subnet.id]
}
