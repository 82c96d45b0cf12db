# Public subnets, an internet gateway, nothing that listens. Yahoo is on the internet, so a private subnet would need a
# NAT gateway (over 32 USD a month, the dearest line of a small deployment) or interface endpoints plus a proxy. A task
# with a public address and a security group without a single ingress rule cannot be reached either.

data "aws_availability_zones" "regional" {
  #checkov:skip=CKV_AWS_394:The zones that were there when the network was made are remembered; later ones change nothing

  # Local and Wavelength Zones are there for those who opt in, and then have neither Fargate nor EFS.
  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"]
  }
}

data "aws_region" "current" {}

locals {
  # Redshift Serverless wants three zones; the service uses whichever has capacity. Some regions have two.
  zones      = slice(sort(data.aws_availability_zones.regional.names), 0, min(3, length(data.aws_availability_zones.regional.names)))
  zone_count = var.zones == null ? length(local.zones) : length(var.zones)
}

# The zones as they were when the network was made: another one between them must not move a subnet, and with it the
# outbox's mount targets.
resource "terraform_data" "zones" {
  input = coalescelist(coalesce(var.zones, []), local.zones)

  lifecycle {
    ignore_changes = [input]
  }
}

resource "aws_vpc" "this" {
  cidr_block           = var.cidr_block
  enable_dns_support   = true
  enable_dns_hostnames = true

  tags = { Name = var.name }
}

# Whatever forgets to name a security group gets this one, which lets nothing in or out.
resource "aws_default_security_group" "closed" {
  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.name}-closed" }
}

resource "aws_internet_gateway" "this" {
  vpc_id = aws_vpc.this.id

  tags = { Name = var.name }
}

resource "aws_subnet" "public" {
  count = local.zone_count

  vpc_id = aws_vpc.this.id
  # A region that gets a third zone later gets a third subnet, and the first two stay.
  availability_zone = concat(terraform_data.zones.output, tolist(setsubtract(local.zones, terraform_data.zones.output)))[count.index]
  cidr_block        = cidrsubnet(var.cidr_block, 2, count.index)
  # The ECS service asks for its address itself; nothing else put here gets one by accident.
  map_public_ip_on_launch = false

  tags = { Name = "${var.name}-public-${count.index}" }
}

resource "aws_route_table" "public" {
  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.name}-public" }
}

resource "aws_route" "internet" {
  route_table_id         = aws_route_table.public.id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.this.id
}

resource "aws_route_table_association" "public" {
  count = local.zone_count

  subnet_id      = aws_subnet.public[count.index].id
  route_table_id = aws_route_table.public.id
}

# Gateway endpoints cost nothing and keep this traffic off the internet.
resource "aws_vpc_endpoint" "gateway" {
  for_each = toset(["s3", "dynamodb"])

  vpc_id            = aws_vpc.this.id
  service_name      = "com.amazonaws.${data.aws_region.current.id}.${each.key}"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = [aws_route_table.public.id]

  tags = { Name = "${var.name}-${each.key}" }
}

resource "aws_cloudwatch_log_group" "flow" {
  count = var.flow_logs ? 1 : 0

  #checkov:skip=CKV_AWS_338:Connections of a month are enough to look into an incident; a year of them is only a bill
  name              = "/aws/vpc/${var.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

data "aws_iam_policy_document" "flow_assume" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["vpc-flow-logs.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "flow" {
  count = var.flow_logs ? 1 : 0

  statement {
    sid       = "WriteOwnGroup"
    actions   = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
    resources = [aws_cloudwatch_log_group.flow[0].arn, "${aws_cloudwatch_log_group.flow[0].arn}:*"]
  }
}

resource "aws_iam_role" "flow" {
  count = var.flow_logs ? 1 : 0

  name               = "${var.name}-flow-logs-${data.aws_region.current.id}"
  assume_role_policy = data.aws_iam_policy_document.flow_assume.json
}

resource "aws_iam_role_policy" "flow" {
  count = var.flow_logs ? 1 : 0

  name   = "write-flow-logs"
  role   = aws_iam_role.flow[0].id
  policy = data.aws_iam_policy_document.flow[0].json
}

resource "aws_flow_log" "this" {
  count = var.flow_logs ? 1 : 0

  vpc_id               = aws_vpc.this.id
  traffic_type         = "ALL"
  log_destination      = aws_cloudwatch_log_group.flow[0].arn
  iam_role_arn         = aws_iam_role.flow[0].arn
  log_destination_type = "cloud-watch-logs"
}
